"""Datagram sockets at virtual addresses: opened and closed with the table, handed over, drained."""

import socket
from dataclasses import replace

import pytest
import trio

from nodeproxy.downstream.virtual_listeners import VirtualListeners
from nodeproxy.exchange.access_log import AccessLog
from nodeproxy.io.capacity import Capacity
from nodeproxy.io.datagrams import bound_datagrams
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Drop, Put, Replace
from nodeproxy.process.drain import drain
from nodeproxy.wiring.contexts import ACCEPTS
from nodeproxy.wiring.process_report import process_report
from tests.fakes.udp import ADDRESS, UdpEndpoint, UdpService


@pytest.fixture
def service(world):
    """The service, closed after the test."""
    service = UdpService(world)
    yield service
    service.close()


def refuses(service):
    """Whether the kernel refuses what is sent to the service."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(service.address)
        try:
            sock.send(b"x")
            sock.send(b"x")
        except ConnectionRefusedError:
            return True
        return False


async def test_tcp_and_udp_may_share_an_address_and_a_number(world, service):
    endpoint = world.endpoint()
    tcp = Port(service.address[1], "web", "http", (Endpoint("127.0.0.1", endpoint.port),))
    both = service.service(*service.endpoints)
    world.install(Put(Service("shop", "dns", ADDRESS, (tcp, *both.ports))))
    service.virtual.follow("shop/dns")
    client = service.client()

    client.send(b"x")

    assert (await service.endpoints[0].receive())[0] == b"x"
    socket.create_connection(service.address).close()


async def test_a_service_that_leaves_closes_its_socket_and_its_sessions_end_when_they_are_silent(world, service):
    client = service.client()
    client.send(b"question")
    _, mesh = await service.endpoints[0].receive()

    world.install(Drop("shop/dns"))
    service.virtual.follow("shop/dns")
    service.kept.receive()
    service.endpoints[0].reply(b"answer", mesh)

    assert await client.receive() == b"answer" and refuses(service)
    world.advance(60)
    await world.settle()
    assert len(service.sessions) == 0


async def test_a_closed_listener_passes_on_what_it_has_received_before(world, service):
    client = service.client()
    for number in range(10):
        client.send(b"%d" % number)

    service.virtual.close()

    assert [data for data, _ in await service.endpoints[0].all()] == [b"%d" % number for number in range(10)]
    assert refuses(service)


async def test_an_address_that_gets_another_service_leads_there_at_once(world, service):
    client = service.client()
    client.send(b"one")
    await service.endpoints[0].receive()
    other = UdpEndpoint(world)
    port = Port(service.address[1], "dns", "udp", (Endpoint(other.host, other.port),), "udp")

    world.install(Put(Service("shop", "new", ADDRESS, (port,))))
    service.virtual.follow("shop/new")
    client.send(b"two")

    assert (await other.receive())[0] == b"two" and await service.endpoints[0].all() == []


async def test_datagrams_wait_in_the_socket_that_the_supervisor_holds_while_a_worker_is_replaced(world, service):
    client = service.client()
    for listener in service.virtual._listeners.values():  # the worker is killed: the kernel closes its copy
        world.reactor.close_after_turn(listener.sock, shared=True)
    await world.settle(2)
    client.send(b"question")

    successor = VirtualListeners(
        world.connections, world.context, service.kept, lambda: world.live.table, Capacity(1 << 20, 1000), ACCEPTS
    )
    successor.follow()

    assert (await service.endpoints[0].receive())[0] == b"question"
    successor.close()


async def test_a_worker_that_drains_leaves_all_datagrams_to_its_successor(world, service):
    successor = world.keep(bound_datagrams(service.address))
    before = [service.client() for _ in range(8)]
    for client in before:
        client.send(b"old or new")
    await world.settle()

    service.virtual.close()
    service.kept.receive()
    answered = len(await service.endpoints[0].all())
    while True:
        try:
            successor.recv(100)
        except BlockingIOError:
            break
    for client in before:
        client.send(b"new")
    await world.settle()

    assert [successor.recv(100) for _ in before] == [b"new"] * 8
    assert await service.endpoints[0].all() == [] and 0 <= answered <= 8


async def test_all_doors_may_open_again(world, service):
    service.virtual.close()
    service.kept.receive()
    service.virtual.follow()
    client = service.client()

    client.send(b"x")

    assert (await service.endpoints[0].receive())[0] == b"x"


async def test_sessions_of_a_draining_worker_end_after_a_short_silence(world, service):
    client = service.client()
    client.send(b"question")
    _, mesh = await service.endpoints[0].receive()

    service.virtual.close()
    service.sessions.drain()
    world.advance(4)
    service.endpoints[0].reply(b"answer", mesh)
    reply = await client.receive()
    world.advance(4)
    await world.settle()
    still = len(service.sessions)
    world.advance(1)
    await world.settle()

    assert (reply, still, len(service.sessions)) == (b"answer", 1, 0)


def test_sessions_that_are_not_silent_end_at_the_drain_limit(world, autojump_clock):
    service = UdpService(world)
    world.run(_hello(service))

    trio.run(drain, world.connections, world.plane.sessions, 25.0, clock=autojump_clock)

    assert service.ended() == {"drained": 1} and len(service.sessions) == 0
    service.close()


async def _hello(service):
    service.client().send(b"x")
    await service.endpoints[0].receive()


async def test_a_line_of_the_access_log_says_what_a_session_has_carried(world, service):
    lines = []
    context = replace(world.context, observer=AccessLog(lines.append))
    other = UdpEndpoint(world)
    port = Port(service.address[1], "dns", "udp", (Endpoint(other.host, other.port),), "udp")
    world.install(Replace((Service("shop", "log", "127.77.9.6", (port,)),)))
    listeners = VirtualListeners(
        world.connections, context, service.kept, lambda: world.live.table, Capacity(1 << 20, 1000), ACCEPTS
    )
    listeners.follow()
    client = service.client()
    client.to = ("127.77.9.6", service.address[1])
    client.send(b"question")
    other.reply(b"the answer", (await other.receive())[1])
    await client.receive()
    world.advance(60)
    await world.settle()
    listeners.close()

    assert lines == [
        {
            "protocol": "udp",
            "client": "127.0.0.1",
            "source": "/node",
            "service": f"shop/log:{service.address[1]}/udp",
            "endpoint": f"127.0.0.1:{other.port}",
            "to_endpoint": 8,
            "to_client": 10,
            "datagrams_to_endpoint": 1,
            "datagrams_to_client": 1,
            "reason": "idle",
            "tries": 1,
            "seconds": 60.0,
        }
    ]


async def test_numbers_are_reported(world, service):
    client = service.client()
    client.send(b"question")
    service.endpoints[0].reply(b"answer", (await service.endpoints[0].receive())[1])
    await client.receive()

    (numbers,) = world.plane.ports.numbers("shop/dns")
    mark = numbers.mark
    report, process = numbers.report(), process_report(world.plane, 0)

    assert report.counters.udp.datagrams == {"to_endpoint": 1, "to_client": 1}
    assert report.counters.udp.bytes == {"to_endpoint": 8, "to_client": 6}
    assert (report.state.udp_sessions, report.state.active) == (1, 0)
    assert (process.state.udp_sessions, process.state.udp_sessions_limit) == (1, 8192)
    client.send(b"x")
    await world.settle()
    assert numbers.mark != mark


async def test_an_open_session_keeps_the_endpoints_of_its_service(world, service):
    before = world.plane.ports.usage("shop/dns")
    service.client().send(b"x")
    await world.settle()

    after = world.plane.ports.usage("shop/dns")

    assert before.active == 0 and (after.active, after.requests) == (1, before.requests + 1)


def test_udp_ports_leave_descriptors_to_clients_only_where_there_are_some(world):
    few = Capacity(1000, 1000)
    service = UdpService(world)
    listeners = VirtualListeners(world.connections, world.context, service.kept, lambda: world.live.table, few, ACCEPTS)
    service.virtual.close()
    listeners.follow()
    with_udp = world.connections.most
    world.install(Drop("shop/dns"))
    listeners.follow()

    assert with_udp < world.connections.most == few.clients_most(0)
    assert with_udp == few.clients_most(1, few.sessions_most)
    listeners.close()
    service.close()
