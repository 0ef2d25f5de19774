"""UDP at a service's own address: datagrams arrive whole, at one endpoint for each client, and so do the replies."""

import socket
import struct
from itertools import pairwise

import pytest

from nodeproxy.downstream.udp_sessions import OPENED_AT_ONCE
from nodeproxy.errors import ConnectFailed
from nodeproxy.io.datagrams import bound_datagrams
from nodeproxy.io.rounds import PER_EVENT, SESSION
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Drop, Put
from nodeproxy.upstream.udp_pool import UdpPool
from tests.fakes.descriptors import none_left
from tests.fakes.udp import UdpEndpoint


class BreaksAtAttempts:
    """An observer with a bug."""

    def attempt_ended(self, attempt):
        raise AttributeError(attempt)

    def connection_ended(self, *_):
        pass


async def test_a_reply_comes_from_the_address_that_the_client_has_sent_to(world, udp_service):
    service = udp_service()
    client = service.client()

    client.send(b"question")
    data, mesh = await service.endpoints[0].receive()
    service.endpoints[0].reply(b"answer", mesh)

    assert data == b"question"
    assert await client.receive() == b"answer"


@pytest.mark.parametrize("size", [0, 1, 512, 1472, 1473, 8192, 65_506, 65_507])
async def test_datagrams_of_every_size_are_passed_on_whole_both_ways(world, udp_service, size):
    service = udp_service()
    client = service.client()
    there, back = bytes(range(256)) * 256, bytes(reversed(range(256))) * 256

    client.send(there[:size])
    data, mesh = await service.endpoints[0].receive()
    service.endpoints[0].reply(back[:size], mesh)

    assert data == there[:size]
    assert await client.receive() == back[:size]


async def test_a_client_stays_with_its_endpoint_and_others_are_balanced(world, udp_service):
    service = udp_service(3)
    clients = [service.client() for _ in range(9)]

    for client in clients * 2:
        client.send(b"x")
        await world.settle(3)

    assert service.active == [3, 3, 3]
    for endpoint in service.endpoints:
        peers = [peer for _, peer in await endpoint.all()]
        assert len(peers) == 6 and len(set(peers)) == 3


async def test_replies_are_not_limited_to_one(world, udp_service):
    service = udp_service()
    client = service.client()
    client.send(b"subscribe")
    _, mesh = await service.endpoints[0].receive()

    for number in range(200):
        service.endpoints[0].reply(b"%d" % number, mesh)

    assert await client.all() == [b"%d" % number for number in range(200)]


async def test_a_stranger_cannot_send_into_a_session(world, udp_service):
    service = udp_service()
    client, stranger = service.client(), service.client("127.0.0.2")
    client.send(b"question")
    _, mesh = await service.endpoints[0].receive()

    stranger.sock.sendto(b"forged", mesh)

    assert await client.all() == []


async def test_ipv6_is_served_by_endpoints_of_either_family(world, udp_service):
    service = udp_service(1, host="::1")
    client = service.client("::1")

    client.send(b"question")
    _, mesh = await service.endpoints[0].receive()
    service.endpoints[0].reply(b"a" * 65_507, mesh)

    assert await client.receive() == b"a" * 65_507


async def test_a_datagram_that_is_too_long_for_the_endpoints_family_is_dropped_and_counted(world, udp_service):
    service = udp_service(1, host="::1")
    client = service.client("::1")

    client.send(b"x" * 65_527)
    client.send(b"short")

    assert (await service.endpoints[0].receive())[0] == b"short"
    assert service.stats.dropped == {"too-large": 1}


async def test_a_session_ends_when_nothing_has_moved_for_its_idle_timeout(world, udp_service):
    service = udp_service(policies={"timeouts": {"udpIdle": "10s"}})
    client = service.client()
    client.send(b"one")
    _, first = await service.endpoints[0].receive()
    world.advance(9)
    service.endpoints[0].reply(b"late", first)
    assert await client.receive() == b"late"

    world.advance(9)
    await world.settle()
    still = len(service.sessions)
    world.advance(1)
    await world.settle()

    assert (still, len(service.sessions), service.active) == (1, 0, [0])
    assert service.ended() == {"idle": 1}
    client.send(b"two")
    assert (await service.endpoints[0].receive())[1] != first


async def test_the_idle_timeout_is_a_minute_unless_it_is_written(world, udp_service):
    service = udp_service()
    service.client().send(b"one")
    await world.settle()

    world.advance(59)
    await world.settle()
    still = len(service.sessions)
    world.advance(1)
    await world.settle()

    assert (still, len(service.sessions)) == (1, 0)


async def test_beyond_the_bound_the_session_that_was_silent_longest_ends(world, udp_service):
    service = udp_service(most=3)
    clients = [service.client() for _ in range(4)]
    for client in clients[:3]:
        client.send(b"hello")
        await world.settle()
        world.advance(1)
    clients[0].send(b"again")
    await world.settle()

    clients[3].send(b"hello")
    await world.settle()
    heard = [peer for _, peer in await service.endpoints[0].all()]
    clients[0].send(b"and again")
    clients[1].send(b"hello again")

    assert service.ended() == {"evicted": 1} and len(service.sessions) == 3
    (_, of_first), (_, of_second) = await service.endpoints[0].all()
    assert of_first == heard[0] and of_second not in heard


async def test_a_client_with_many_ports_makes_way_for_itself(world, udp_service):
    service = udp_service(most=16)
    other = service.client("127.0.0.2")
    other.send(b"hello")
    await world.settle()

    for _ in range(40):
        service.client().send(b"flood")
        await world.settle(2)
    await service.endpoints[0].all()
    other.send(b"still here")

    assert len(await service.endpoints[0].all()) == 1
    assert service.ended() == {"evicted": 25} and len(service.sessions) == 16


async def test_a_flood_of_sources_leaves_no_more_than_the_bound_behind(world, udp_service):
    service = udp_service(most=50)
    before = len(world.reactor._watchers)

    for number in range(600):
        client = service.client(f"127.0.{number % 7}.{1 + number % 200}")
        client.send(b"flood")
        client.sock.close()
        await world.settle(1)
    await world.settle()

    assert len(service.sessions) == 50 and len(world.reactor._watchers) == before + 50
    assert service.ended() == {"evicted": 550} and service.active == [50]
    assert len(await service.endpoints[0].all()) == 600


async def test_an_endpoint_that_refuses_is_ejected_and_the_next_datagram_goes_to_another(world, udp_service):
    service = udp_service(2)
    client = service.client()
    client.send(b"one")
    await world.settle()
    first = service.active.index(1)
    service.endpoints[first].stop()

    client.send(b"lost")
    await world.settle()
    client.send(b"two")

    data, mesh = await service.endpoints[1 - first].receive()
    assert data == b"two" and service.stats.dropped == {"connect-failed": 1}
    assert world.clusters.get(world.route.name).usable_count(world.clock()) == 1
    service.endpoints[1 - first].reply(b"here", mesh)
    assert await client.receive() == b"here"
    assert (service.active[first], service.active[1 - first], len(service.sessions)) == (0, 1, 1)

    for other in [service.client() for _ in range(4)]:
        other.send(b"of another")
        await world.settle()

    assert service.active[1 - first] == 5 and service.stats.dropped == {"connect-failed": 1}


async def test_a_datagram_sent_before_the_refusal_was_read_is_sent_to_the_other_endpoint(world, udp_service):
    service = udp_service(2)
    client = service.client()
    client.send(b"one")
    await world.settle()
    first = service.active.index(1)
    service.endpoints[first].stop()

    client.send(b"lost")
    client.send(b"two")

    assert [data for data, _ in await service.endpoints[1 - first].all()] == [b"two"]
    assert service.stats.dropped == {"connect-failed": 1}


async def test_where_all_endpoints_refuse_datagrams_are_dropped_and_counted_until_one_is_back(world, udp_service):
    service = udp_service(1)
    client = service.client()
    service.endpoints[0].stop()

    for number in range(3):
        client.send(b"%d" % number)
        await world.settle()
    dropped = dict(service.stats.dropped)
    service.endpoints[0].__init__(world, port=service.endpoints[0].port)
    client.send(b"back")

    assert (await service.endpoints[0].receive())[0] == b"back"
    assert dropped == {"connect-failed": 3} and world.stats.bugs == 0


async def test_sessions_of_an_endpoint_that_leaves_choose_another_when_their_client_sends_again(world, udp_service):
    service = udp_service(2)
    client = service.client()
    client.send(b"one")
    await world.settle()
    old = service.endpoints[service.active.index(1)]
    new = service.endpoints[service.active.index(0)]
    _, mesh = await old.receive()

    service.now_has(new)
    old.reply(b"last words", mesh)
    assert await client.receive() == b"last words"
    client.send(b"two")

    assert (await new.receive())[0] == b"two" and await old.all() == []
    assert len(service.sessions) == 1


async def test_without_a_descriptor_the_datagram_is_dropped_and_the_oldest_session_gives_its_own(world, udp_service):
    service = udp_service()
    first, second = service.client(), service.client()
    first.send(b"one")
    await service.endpoints[0].receive()

    with none_left():
        second.send(b"lost")
        await world.settle()
    second.send(b"two")

    assert (await service.endpoints[0].receive())[0] == b"two"
    assert service.stats.dropped == {"out-of-descriptors": 1} and service.ended() == {"evicted": 1}
    assert world.stats.shortages["endpoint"] == 1


async def test_a_shortage_ends_the_oldest_quarter_once_in_a_turn(world, udp_service):
    service = udp_service()
    clients = [service.client() for _ in range(40)]
    for client in clients:
        client.send(b"hello")
    await world.settle()
    peers = [mesh for _, mesh in await service.endpoints[0].all()]

    late = [service.client() for _ in range(3)]
    next(iter(service.virtual._listeners.values())).burst = PER_EVENT  # so that all have their turn at once

    with none_left():
        for client in late:
            client.send(b"lost")
        await world.settle()
    for client in clients:
        client.send(b"again")

    assert service.stats.dropped == {"out-of-descriptors": 3}
    assert (service.ended(), world.stats.shortages["endpoint"]) == ({"evicted": 10}, 1)
    assert {mesh for _, mesh in await service.endpoints[0].all()} >= set(peers[10:])


async def test_a_bug_ends_one_session_and_not_the_worker(world, udp_service):
    service = udp_service(2)
    one, other = service.client(), service.client()
    for client in (one, other):
        client.send(b"hello")
        await world.settle()
    broken = next(iter(service.sessions._by_age))
    broken.exchange.observer = BreaksAtAttempts()  # fails when the attempt ends
    first = [each for each in service.endpoints if each.port == broken._connection.attempt.endpoint.address[1]]
    world.expected_bugs = 1

    first[0].stop()
    one.send(b"refused")
    await world.settle()
    other.send(b"still served")

    assert world.stats.bugs == 1 and service.ended() == {"internal": 1} and len(service.sessions) == 1
    rest = next(each for each in service.endpoints if each not in first)
    assert b"still served" in [data for data, _ in await rest.all()]


async def test_a_service_without_endpoints_drops_and_counts(world, udp_service):
    service = udp_service(0)
    client = service.client()

    client.send(b"one")
    await world.settle()

    assert service.stats.dropped == {"no-endpoints": 1} and len(service.sessions) == 0
    assert service.stats.active == 0 and service.ended() == {}


async def test_the_first_datagrams_are_held_until_the_endpoints_are_known(world, udp_service):
    service = udp_service()
    service.now_has(unsubscribed=True)
    client = service.client()

    for number in range(3):
        client.send(b"%d" % number)
    await world.settle()
    asked = service.world.live.subscriptions.taken()
    service.now_has(*service.endpoints)

    assert [change.key for change in asked] == ["shop/dns"]
    assert [data for data, _ in await service.endpoints[0].all()] == [b"0", b"1", b"2"]
    assert service.sessions.held_bytes == 0
    client.send(b"3")
    assert (await service.endpoints[0].receive())[0] == b"3"


async def test_no_more_is_held_than_the_bound_and_no_longer_than_a_connect_may_take(world, udp_service):
    service = udp_service(policies={"timeouts": {"connect": "2s"}})
    service.now_has(unsubscribed=True)
    client = service.client()

    for _ in range(20):
        client.send(b"x")
    await world.settle()
    held = service.sessions.held_bytes
    world.advance(2)
    await world.settle()

    assert held == 16 and service.sessions.held_bytes == 0
    assert service.stats.dropped == {"held-full": 4, "endpoints-unknown": 16}
    assert service.ended() == {"endpoints-unknown": 1}


async def test_what_waits_is_bounded_for_all_sessions_together(world, udp_service):
    service = udp_service()
    service.now_has(unsubscribed=True)

    for _ in range(30):
        client = service.client()
        for _ in range(8):
            client.send(b"x" * 60_000)
        await world.settle(3)

    assert 4_000_000 < service.sessions.held_bytes <= 4 * 1024 * 1024
    assert service.stats.dropped["held-full"] > 100


async def test_a_service_that_leaves_while_datagrams_wait_ends_their_session(world, udp_service):
    service = udp_service()
    service.now_has(unsubscribed=True)
    stats = service.stats
    service.client().send(b"x")
    await world.settle()

    world.install(Drop("shop/dns"))
    await world.settle()

    assert stats.dropped == {"unknown-service": 1} and len(service.sessions) == 0


async def test_what_seems_to_come_from_a_udp_port_of_the_mesh_is_dropped(world, udp_service):
    service = udp_service()
    other = ("127.77.9.6", service.address[1])
    port = Port(other[1], "dns", "udp", (Endpoint("127.0.0.1", 9),), "udp")
    world.install(Put(Service("shop", "other", other[0], (port,))))
    service.virtual.follow("shop/other")
    forged = world.keep(bound_datagrams(other))

    forged.sendto(b"never ends", service.address)
    await world.settle()
    before = dict(service.stats.dropped)
    world.install(Drop("shop/other"))
    service.virtual.follow("shop/other")
    forged.sendto(b"a client", service.address)

    assert before == {"loop": 1}
    assert [data for data, _ in await service.endpoints[0].all()] == [b"a client"]


async def test_a_change_while_others_have_a_turn_is_not_missed(world, udp_service):
    service = udp_service()
    service.now_has(unsubscribed=True)
    for number in range(OPENED_AT_ONCE + 8):
        service.client().send(b"%d" % number)
    await world.settle()

    world.changes.notify()
    await world.reactor.rest()  # the first ones have been looked at
    service.now_has(*service.endpoints)

    assert len(await service.endpoints[0].all()) == OPENED_AT_ONCE + 8


async def test_a_session_that_gets_no_endpoint_after_all_ends_for_the_reason_of_its_datagrams(world, udp_service):
    service = udp_service(policies={"connectionPool": {"maxConnections": 1}})
    service.now_has(unsubscribed=True)
    for client in (service.client(), service.client()):
        client.send(b"x")
    await world.settle()

    service.now_has(*service.endpoints)
    await world.settle()

    assert len(await service.endpoints[0].all()) == 1
    assert service.stats.dropped == service.ended() == {"connection-pool-full": 1}


async def test_a_bug_in_a_session_that_waits_leaves_the_others_their_endpoints(world, udp_service):
    service = udp_service(policies={"connectionPool": {"maxConnections": 1}})
    service.now_has(unsubscribed=True)
    for client in (service.client(), service.client()):
        client.send(b"x")
    await world.settle()
    broken = list(service.sessions._by_age)[1]
    broken.exchange.observer = BreaksAtAttempts()  # fails when its attempt is refused
    world.expected_bugs = 1

    service.now_has(*service.endpoints)
    await world.settle()
    service.now_has(unsubscribed=True)
    late = service.client()
    late.send(b"late")
    await world.settle()

    assert world.stats.bugs == 1 and len(await service.endpoints[0].all()) == 1
    assert service.ended() == {"internal": 1}


async def test_a_session_remembers_no_endpoints_that_have_left(world, udp_service):
    service = udp_service(1)
    client = service.client()
    for _ in range(5):
        service.endpoints[0].stop()
        client.send(b"refused")
        await world.settle()
        service.endpoints[0] = UdpEndpoint(world)
        service.now_has(service.endpoints[0])

    client.send(b"x")
    await world.settle()

    (session,) = service.sessions._by_age
    assert len(session.exchange.tried) == 1 and service.active == [1]


async def test_a_crowd_of_new_clients_has_no_more_of_a_turn_than_others_have_with_more_datagrams(world, udp_service):
    service = udp_service()
    for number in range(100):
        service.client().send(b"%d" % number)

    counts = [0]
    while counts[-1] < 100:
        await world.reactor.rest()
        counts.append(len(service.sessions))

    assert max(now - before for before, now in pairwise(counts)) <= PER_EVENT // SESSION


async def test_a_burst_of_replies_takes_few_turns(world, udp_service):
    service = udp_service()
    client = service.client()
    client.send(b"subscribe")
    _, mesh = await service.endpoints[0].receive()
    for _ in range(200):
        service.endpoints[0].reply(b"x", mesh)

    turns = 0
    while service.stats.datagrams_to_client < 200:
        await world.reactor.rest()
        turns += 1

    assert 200 // PER_EVENT <= turns < 20


async def test_a_reply_to_a_client_without_a_port_is_not_sent_and_counted(world, udp_service):
    service = udp_service()
    try:
        raw = world.keep(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP))
    except PermissionError:
        pytest.skip("raw sockets need CAP_NET_RAW")
    # source port 0: "if not used, a value of zero is inserted" (RFC 768); so is the checksum
    raw.sendto(struct.pack("!HHHH", 0, service.address[1], 8 + 3, 0) + b"log", service.address)

    data, mesh = await service.endpoints[0].receive()
    service.endpoints[0].reply(b"answer", mesh)
    await world.settle()

    assert data == b"log" and service.stats.dropped == {"not-sent": 1}


def test_a_socket_that_cannot_be_connected_is_not_counted(world):
    pool = UdpPool(world.upstream, ("255.255.255.255", 9), "broadcast")  # takes a permission that it has not asked for

    with pytest.raises(ConnectFailed, match=r"^broadcast: "):
        pool.open()

    assert pool.count == 0
