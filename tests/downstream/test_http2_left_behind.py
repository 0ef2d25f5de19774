"""However an HTTP/2 connection ends, nothing of it and of its streams waits for the garbage collector."""

import gc

import pytest

from nodeproxy.downstream.http2 import Http2Connection
from nodeproxy.downstream.http2_reply import Reply
from nodeproxy.downstream.http2_server import StreamServer
from nodeproxy.errors import ClientGone, EndpointError
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.multiplex.stream import Stream
from nodeproxy.protocol.message import Request
from tests.fakes.http2 import http2_accept, http2_client

HEAVY = (ClientGone, EndpointError, Exchange, Http2Connection, Reply, Request, Stream, StreamServer)

UPDATE_BY_NOTHING = b"\0\0\4\x08\0\0\0\0\0\0\0\0\0"  # WINDOW_UPDATE of the connection


def heavy():
    return [thing for thing in gc.get_objects() if isinstance(thing, HEAVY)]


async def a_client_that_leaves_open_streams(client, server, asked):
    client.peer.reset()


async def a_client_that_closes_after_its_answers(client, server, asked):
    for number in asked:
        await server.received_request()
        await server.respond(number, b"fine")
        assert (await client.response(number))[0] == 200
    client.peer.close()


async def a_client_that_violates_the_protocol(client, server, asked):
    await client.peer.send(UPDATE_BY_NOTHING)
    await client.goaway()
    client.peer.close()


async def an_endpoint_that_violates_the_protocol(client, server, asked):
    await server.received_request()
    await server.peer.send(UPDATE_BY_NOTHING)
    for number in asked:
        assert (await client.response(number))[0] == 502
    client.peer.close()


ENDINGS = (
    a_client_that_leaves_open_streams, a_client_that_closes_after_its_answers, a_client_that_violates_the_protocol,
    an_endpoint_that_violates_the_protocol,
)  # fmt: skip


@pytest.mark.usefixtures("collector_off")
@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
async def test_nothing_of_a_connection_is_left_when_it_has_ended(world, ending):
    world.reopen(observer=None)
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies={"retries": {"attempts": 0}})
    before = {id(thing) for thing in heavy()}

    client = await http2_client(world)
    asked = [await client.request() for _ in range(5)]
    server = await http2_accept(endpoint)
    await ending(client, server, asked)
    await world.settle(20)
    world.clusters.clear()
    await world.settle(20)

    assert [type(thing).__name__ for thing in heavy() if id(thing) not in before] == []
