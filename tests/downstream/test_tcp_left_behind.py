"""What a connection that carries no HTTP leaves behind when it has ended: nothing, and without the collector's help."""

import gc
from contextlib import suppress

import pytest

from nodeproxy.downstream import detection, opening, server_name, tcp
from nodeproxy.downstream.detection import DETECT_S, GREETING_S
from nodeproxy.errors import ConnectionLost, ProxyError
from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.connect import connect
from nodeproxy.io.relay import Direction, Relay
from nodeproxy.io.scope import Scope
from nodeproxy.io.task import Cancelled, Task
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Replace
from nodeproxy.protocol.message import Response
from nodeproxy.upstream import tcp_pool
from nodeproxy.upstream.tunnel import SwitchedConnection
from nodeproxy.wiring.contexts import tls_context
from tests.fakes.hellos import real
from tests.fakes.own_address import AtOwnAddress
from tests.fakes.world import Peer

HEAVY = (
    Attempt, Cancelled, Exchange, ProxyError, Relay, Response, Scope, SwitchedConnection, Task, Direction,
    detection.DetectingConnection, opening.Opening, server_name.ServerNameConnection, tcp.TcpConnection, tcp._Life,
    tcp_pool.TcpConnection,
)  # fmt: skip
ADDRESS = "127.77.9.8"


class Place(AtOwnAddress):
    """One service at its own address, with one scripted endpoint."""

    def __init__(self, world, protocol, policies):
        super().__init__(world)
        self.endpoint = world.endpoint()
        port = Port(self.endpoint.port, "main", protocol, (Endpoint("127.0.0.1", self.endpoint.port),))
        self.put(Replace((Service("shop", "any", ADDRESS, (port,), policies),)))

    async def client(self, first=b""):
        client = Peer(self.world, await connect(self.world.reactor, (ADDRESS, self.endpoint.port), ConnectionLost))
        if first:
            await client.send(first)
        return client

    async def joined(self, first=b"hello\n"):
        client = await self.client(first)
        server = await self.endpoint.accept()
        await server.exactly(len(first))
        return client, server


async def over(peer):
    with suppress(ConnectionLost):
        await peer.rest()
    peer.close()


async def both_sides_end(place):
    client, server = await place.joined()
    client.channel.half_close()
    await over(server)
    await over(client)


async def the_client_resets(place):
    client, server = await place.joined()
    client.reset()
    await over(server)


async def the_endpoint_resets(place):
    client, server = await place.joined()
    server.reset()
    await over(client)


async def the_endpoint_refuses(place):
    place.endpoint.stop()
    await over(await place.client(b"hello\n"))


async def a_bulk_that_breaks(place):
    client, server = await place.joined()
    sender = place.world.reactor.spawn(server.send(bytes(30_000_000)))
    await place.world.settle(50)
    client.reset()
    await over(server)
    sender.cancel()
    await sender.join()


async def nothing_moves(place):
    client, server = await place.joined()
    place.world.advance(4000)
    await over(client)
    await over(server)


async def the_worker_ends(place):
    client, server = await place.joined()
    place.world.connections.cancel()
    await over(client)
    await over(server)


async def a_silent_client_resets(place):
    client = await place.client()
    await place.world.settle()
    place.world.advance(DETECT_S)
    server = await place.endpoint.accept()
    client.reset()
    await over(server)


async def an_endpoint_is_let_go(place):
    client = await place.client()
    await place.world.settle()
    place.world.advance(DETECT_S)
    server = await place.endpoint.accept()
    await place.world.settle()
    place.world.advance(GREETING_S)
    await over(server)
    place.world.advance(place.world.context.idle_timeout_s)
    await over(client)


async def a_server_speaks_first(place):
    client = await place.client()
    await place.world.settle()
    place.world.advance(DETECT_S)
    server = await place.endpoint.accept()
    await server.send(b"220 ready\n")
    await client.exactly(10)
    client.close()
    await over(server)


async def a_slow_request(place):
    client = await place.client(b"GET")
    await place.world.settle()
    place.world.advance(DETECT_S)
    server = await place.endpoint.accept()
    await server.exactly(3)
    await client.send(b" / HTTP/1.1\r\n\r\n")
    await over(client)
    await over(server)


async def no_place_is_free(place):
    client, server = await place.joined()
    waiting = await place.client(b"hello\n")
    await place.world.settle()
    place.world.advance(3.1)
    await over(waiting)
    client.close()
    await over(server)


async def by_name(place, first):
    world = place.world
    world.reopen(observer=None, accept=tls_context(world.plane, world.context, 443).accept)
    client = await world.client()
    await client.send(first)
    return client


async def a_name_that_means_nothing(place):
    await over(await by_name(place, real("nobody.shop.mesh")))


async def a_hello_that_drips(place):
    client = await by_name(place, real("any.shop.mesh")[:100])
    await place.world.settle()
    place.world.advance(place.world.context.head_timeout_s)
    await over(client)


ENDINGS = (
    both_sides_end, the_client_resets, the_endpoint_resets, the_endpoint_refuses, a_bulk_that_breaks, nothing_moves,
    the_worker_ends, no_place_is_free,
)  # fmt: skip
DETECTED = (a_silent_client_resets, an_endpoint_is_let_go, a_server_speaks_first, a_slow_request)
NAMED = (a_name_that_means_nothing, a_hello_that_drips)
POLICIES = {no_place_is_free: {"connectionPool": {"maxConnections": 1}, "timeouts": {"connect": "3s"}}}
CASES = [
    *(("tcp", ending) for ending in ENDINGS), *(("detect", ending) for ending in (*ENDINGS, *DETECTED)),
    *(("tls", ending) for ending in NAMED),
]  # fmt: skip


def heavy():
    return [thing for thing in gc.get_objects() if isinstance(thing, HEAVY)]


@pytest.mark.usefixtures("collector_off")
@pytest.mark.parametrize(("protocol", "ending"), CASES, ids=lambda value: getattr(value, "__name__", value))
async def test_nothing_of_a_connection_is_left_when_it_has_ended(world, protocol, ending):
    world.reopen(observer=None)
    place = Place(world, protocol, POLICIES.get(ending, {}))
    before = {id(thing) for thing in heavy()}

    await ending(place)
    await world.settle()
    world.advance(3)
    await world.settle()

    left = [type(thing).__name__ for thing in heavy() if id(thing) not in before]
    place.close()
    assert left == [] and not world.connections.open
    assert world.reactor.bulk.held_bytes == 0
