"""Room for clients: at the bound, and without descriptors, who is idle makes way and nothing ends that is in use."""

import errno
import socket
from dataclasses import replace

import pytest

from nodeproxy.downstream.connections import ACCEPTS_PER_TURN, FRESH_S, LEAVING_MOST, LOOKED_AT, Connections
from nodeproxy.downstream.http1 import DRIPS_S, USED_S
from nodeproxy.downstream.listener import PAUSE_S, Listener, bound
from nodeproxy.errors import ConnectionLost
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.reactor import Reactor
from nodeproxy.upstream.endpoint import Endpoint
from nodeproxy.upstream.http1 import IDLE_S
from nodeproxy.upstream.idle import IdleConnections
from tests.fakes.descriptors import none_left
from tests.fakes.pool import Pooled
from tests.fakes.world import Clock, Peer

UNKNOWN = b"GET / HTTP/1.1\r\nHost: nobody.shop.mesh\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"


async def idle_clients(world, count, apart_s=1.0):
    """`clients`, and time for them to make way."""
    found = await clients(world, count, apart_s)
    world.advance(2 * FRESH_S)
    await world.settle(3)
    return found


async def clients(world, count, apart_s=1.0):
    """Silent ones, let in one after the other."""
    found = []
    for _ in range(count):
        world.advance(apart_s)
        found.append(await world.client())
        await world.settle(3)
    return found


async def ask(world, client):
    """A request that the mesh answers itself."""
    await client.send(UNKNOWN)
    await client.until(b"\r\n\r\n")
    await client.until(b"\n")


def is_open(client):
    return not client.channel.has_input()


async def test_the_client_that_has_been_idle_longest_makes_way(world):
    world.connections.most = 3
    first, second, third = await clients(world, 3)
    for client in (second, third, first):
        world.advance(1.0)
        await ask(world, client)

    (newcomer,) = await clients(world, 1)

    assert [is_open(client) for client in (first, second, third, newcomer)] == [True, False, True, True]
    assert world.stats.closed_for_room == 1 and len(world.connections.open) == 3


async def test_clients_in_use_stay_and_those_who_come_wait_until_one_is_idle(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    world.connections.most = 2
    busy = await clients(world, 2)
    for client in busy:
        await client.send(GET)
    servers = [await endpoint.accept() for _ in busy]
    late = await world.client()
    await late.send(UNKNOWN)
    await world.settle()
    assert len(world.connections.open) == 2 and is_open(late)

    await servers[0].send(b"HTTP/1.1 204 No Content\r\n\r\n")
    await busy[0].head()
    await world.settle()
    assert is_open(late)  # accepting is tried again after a while, not in every turn
    world.advance(USED_S + 2 * FRESH_S)
    assert PAUSE_S < USED_S

    assert (await late.head()).startswith(b"HTTP/1.1 404 ")
    assert [is_open(client) for client in busy] == [False, True]


async def test_a_client_that_waits_is_accepted_as_soon_as_a_connection_ends(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    world.connections.most = 2
    busy = await clients(world, 2)
    for client in busy:
        await client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    servers = [await endpoint.accept() for _ in busy]
    late = [await world.client() for _ in range(4)]
    for client in late:
        await client.send(UNKNOWN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    await world.settle()
    assert all(map(is_open, late))

    await servers[0].send(b"HTTP/1.1 204 No Content\r\n\r\n")  # and no time passes

    for client in late:
        assert (await client.rest()).startswith(b"HTTP/1.1 404 ")
    assert len(world.connections.open) == 1


async def test_a_listener_at_the_bound_has_one_timer_however_many_connections_end(world):
    world.connections.most = 1
    world.serve()
    (held,) = await clients(world, 1)
    await held.send(b"GET")
    await world.settle()
    late = [await world.client() for _ in range(20)]
    for client in late:
        await client.send(UNKNOWN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    await world.settle()

    held.close()
    for client in late:
        assert (await client.rest()).startswith(b"HTTP/1.1 404 ")

    assert [getattr(call, "__self__", None) for _, _, call in world.reactor._timers].count(world.listener) == 1


async def test_a_client_that_was_answered_just_now_does_not_make_way(world):
    world.connections.most = 1
    (first,) = await clients(world, 1)
    await ask(world, first)

    world.advance(USED_S)
    await world.settle()
    early = world.connections.make_room()
    world.advance(2 * FRESH_S)
    await world.settle()
    late = world.connections.make_room()

    assert (early, late) == (False, True)


async def test_a_new_client_whose_request_is_on_its_way_does_not_make_way(world):
    world.connections.most = 1
    (first,) = await clients(world, 1)

    early = world.connections.make_room()
    (newcomer,) = await clients(world, 1, apart_s=2 * FRESH_S)

    assert not early and not is_open(first) and is_open(newcomer)


async def test_a_client_whose_next_request_is_here_does_not_make_way(world):
    world.connections.most = 1
    (first,) = await idle_clients(world, 1)
    (connection,) = world.connections.open

    first.channel._sock.send(UNKNOWN)

    made = world.connections.make_room()

    assert not made and world.connections.settling
    assert (await first.head()).startswith(b"HTTP/1.1 ")
    assert connection in world.connections.open


async def test_a_head_that_drips_is_no_use_of_the_room(world):
    world.connections.most = 1
    (dripping,) = await clients(world, 1)
    await dripping.send(b"GET / HT")
    await world.settle()
    assert not world.connections.make_room()

    world.advance(DRIPS_S)
    (newcomer,) = await clients(world, 1)

    assert not is_open(dripping) and is_open(newcomer)


async def test_clients_that_never_ask_make_way_before_those_in_use(world):
    world.connections.most = 2
    asking, silent = await clients(world, 2, apart_s=0.1)
    await ask(world, asking)

    await clients(world, 1, apart_s=USED_S - 0.2)

    assert is_open(asking) and not is_open(silent)


async def test_clients_in_use_at_the_head_of_the_line_do_not_hide_idle_ones_behind_them(world):
    asking = await clients(world, LOOKED_AT + 1, apart_s=0.0)
    idle = await clients(world, 2)
    for client in asking:
        await ask(world, client)
    world.advance(1.0)
    world.connections.most = len(world.connections.open)

    await clients(world, 2, apart_s=0.0)

    assert [is_open(client) for client in idle] == [False, False]
    assert all(is_open(client) for client in asking)


async def test_no_more_make_way_in_one_turn_than_their_descriptors_bear(world):
    await idle_clients(world, LEAVING_MOST + 1, apart_s=0.0)
    world.connections.most = 1

    made = [world.connections.make_room() for _ in range(LEAVING_MOST + 1)]
    await world.settle(3)

    assert made == [True] * LEAVING_MOST + [False]
    assert len(world.connections.open) == 1 and not world.connections.settling


async def test_one_turn_accepts_its_share_and_no_more(world):
    for _ in range(ACCEPTS_PER_TURN + 1):
        world.keep(socket.create_connection(world.listener.address))

    world.listener.ready(1)

    assert len(world.connections.open) == ACCEPTS_PER_TURN


async def test_without_a_descriptor_idle_clients_make_way_and_the_others_are_let_in(world):
    (idle,) = await idle_clients(world, 1)
    world.serve()
    late = world.keep(socket.create_connection(world.listener.address))
    late.setblocking(False)
    client = Peer(world, SocketChannel(world.reactor, late, ConnectionLost))

    with none_left():
        await client.send(UNKNOWN)
        await world.settle()

    assert world.stats.shortages["accept"] and not is_open(idle)
    assert (await client.head()).startswith(b"HTTP/1.1 404 ")


async def test_an_idle_connection_makes_way_for_one_that_finds_no_descriptor(world):
    pool, other = Pooled(world), Pooled(world)
    connection, server = await pool.open()
    pool.release(connection)

    with none_left():
        found = await other.connect()

    assert pool.idle_count == 0 and await server.rest() == b""
    assert found.open and world.stats.shortages["endpoint"] == 1


async def test_endpoint_connections_keep_within_their_share(world):
    pool, other = Pooled(world), Pooled(world)
    pairs = await pool.open(3)
    for connection, _server in pairs:
        pool.release(connection)
    other.endpoint = Endpoint(
        replace(world.upstream, all_idle=sharing(world, 0, pool.endpoint.pool)), other.endpoint.address
    )

    await other.open()

    assert pool.idle_count == 2
    assert await pairs[0][1].rest() == b""  # the one that has been idle longest


async def test_endpoints_without_idle_connections_leave_the_line(world):
    pool = Pooled(world)
    connection, _server = await pool.open()
    pool.release(connection)
    assert pool.take() is connection
    assert not world.all_idle.close_one()

    world.advance(IDLE_S + 1)
    await world.settle()

    assert not world.all_idle.pools


def sharing(world, shared, *pools):
    idle = IdleConnections(shared, world.stats.shortages)
    for pool in pools:
        idle.add(pool)
    return idle


async def test_a_request_that_finds_no_descriptor_is_the_meshs_fault(world):
    world.serve(world.endpoint())
    client = await world.client()
    await world.settle()

    with none_left():
        await client.send(GET)
        head = await client.head()

    assert head.startswith(b"HTTP/1.1 503 ") and b"x-mesh-error: out-of-descriptors\r\n" in head
    (endpoint,) = world.clusters.get("shop/web:80").endpoints
    assert endpoint.health.ejections == 0


class Stingy:
    """The epoll of a user that has no watches left (epoll(7), max_user_watches), `times` times."""

    def __init__(self, epoll, times):
        self._epoll, self.times = epoll, times

    def __getattr__(self, name):
        return getattr(self._epoll, name)

    def register(self, *watch):
        if self.times:
            self.times -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        self._epoll.register(*watch)


def stingy(reactor, times):
    epoll = reactor._epoll = Stingy(reactor._epoll, times)
    return epoll


def test_a_listener_that_cannot_be_watched_is_tried_again_after_a_while(world):
    clock = Clock()
    reactor = Reactor(clock)
    epoll = stingy(reactor, 2)
    connections = Connections(reactor, 10, world.bugs.append, world.stats)
    context = replace(world.context, reactor=reactor)
    listener = Listener(connections, reactor, bound(("127.0.0.1", 0)), context)
    world.keep(socket.create_connection(listener.address))

    seen = []
    for _ in range(4):
        reactor.turn()
        seen.append((epoll.times, len(connections.open)))
        clock.now += PAUSE_S

    assert seen == [(1, 0), (0, 0), (0, 0), (0, 1)]
    listener.close()
    for task in list(connections.open.values()):
        task.cancel()
    for _ in range(5):
        reactor.turn()
    reactor.close()


async def test_a_client_that_cannot_be_watched_is_closed_and_ends_nothing(world):
    reactor = Reactor(Clock())
    stingy(reactor, 1)
    connections = Connections(reactor, 10, world.bugs.append, world.stats)
    ours, theirs = socket.socketpair()

    with world.keep(theirs), pytest.raises(OSError, match="No space left"):
        connections.admit(replace(world.context, reactor=reactor), ours, "127.0.0.1")

    assert not connections.open and ours.fileno() == -1
    reactor.close()
