"""Clients that leave within a request's body while its endpoint takes no more of it: the request ends at once."""

import socket

import pytest
from h2.settings import SettingCodes

from tests.fakes.http2 import http2_accept, http2_client, meanwhile, request

CANCEL = 8
ONE_AT_A_TIME = {
    "adaptiveConcurrency": {"minConcurrency": 1, "maxConcurrency": 1},
    "connectionPool": {"maxRequests": 1, "maxConnections": 1},
}
PUT = b"PUT / HTTP/1.1\r\nHost: web.shop.mesh\r\n"
SIZED = PUT + b"Content-Length: 1000000000\r\n\r\n"
CHUNKED = PUT + b"Transfer-Encoding: chunked\r\n\r\n"
PIECE = bytes(60_000)
CHUNK = b"ea60\r\n%b\r\n" % PIECE


def served(world, protocol):
    endpoint = world.endpoint()
    endpoint.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    world.serve(endpoint, protocol=protocol, policies=ONE_AT_A_TIME)
    return endpoint


async def accepted(endpoint, protocol):
    """The endpoint's side, which takes the head of the request and nothing of its body."""
    if protocol == "http":
        server = await endpoint.accept()
        await server.head()
        return server, 0
    server = await http2_accept(endpoint, {SettingCodes.INITIAL_WINDOW_SIZE: 0})
    stream, _ = await server.received_request()
    return server, stream


async def filled(world, client, piece):
    """Send pieces until the mesh reads no more of them."""
    (connection,) = world.connections.open
    await world.settle()
    while not connection._channel.has_input():
        await client.send(piece)
        await world.settle()


async def ended(server, stream):
    """Whether the request has ended at its endpoint: the stream is reset, or its connection has ended."""
    if stream:
        return await server.was_reset(stream) == CANCEL
    await server.rest()
    return True


async def next_is_served(world, endpoint, server, stream):
    """Whether the one request that the limits allow may be the next client's."""
    client = await world.client()
    await client.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n")
    if stream:
        await server.respond((await server.received_request())[0])
    else:
        other = await endpoint.accept()
        await other.head()
        await other.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    return (await client.head()).startswith(b"HTTP/1.1 200 ")


def left(world):
    """What has been counted of clients that are gone."""
    return [line[2:4] for line in world.log], len(world.connections.open)


@pytest.mark.parametrize("protocol", ["http", "http2"])
@pytest.mark.parametrize("leave", ["close", "reset"])
@pytest.mark.parametrize(("head", "piece"), [(SIZED, PIECE), (CHUNKED, CHUNK)], ids=["sized", "chunked"])
async def test_an_upload_that_waits_for_its_endpoint_ends_with_its_client(world, protocol, leave, head, piece):
    endpoint = served(world, protocol)
    client = await world.client()
    await client.send(head + piece)
    server, stream = await accepted(endpoint, protocol)
    await filled(world, client, piece)

    getattr(client, leave)()
    await world.settle()

    assert left(world) == ([(499, "client-gone")], 0)
    assert await ended(server, stream)
    assert await next_is_served(world, endpoint, server, stream)


@pytest.mark.parametrize("protocol", ["http", "http2"])
@pytest.mark.parametrize("leave", ["close", "reset", "stream"])
async def test_an_upload_of_http2_that_waits_for_its_endpoint_ends_with_its_client(world, protocol, leave):
    endpoint = served(world, protocol)
    client = await http2_client(world)
    number = await client.request(request(b"PUT"), ended=False)
    meanwhile(world, client.upload(number, bytes(16 << 20)))
    server, stream = await accepted(endpoint, protocol)
    while client.h2.local_flow_control_window(number):
        await world.settle()

    if leave == "stream":
        client.h2.reset_stream(number, CANCEL)
        await client.flush()
        await world.settle()
        client.peer.close()
    else:
        getattr(client.peer, leave)()
    await world.settle()

    assert left(world) == ([(499, "client-gone")], 0)
    assert await ended(server, stream)
    assert await next_is_served(world, endpoint, server, stream)


@pytest.mark.parametrize(
    "sent",
    [PUT + b"Content-Length: 10\r\n\r\n01234", CHUNKED + b"5\r\n01234\r\n5\r\n567"],
    ids=["sized", "chunked"],
)
async def test_a_request_that_is_cut_off_before_it_is_read_goes_to_no_endpoint(world, sent):
    endpoint = served(world, "http")
    client = await world.client()

    await client.send(sent)
    client.channel.half_close()

    assert await client.rest() == b""
    assert left(world) == ([(499, "client-gone")], 0)
    assert endpoint.nobody_came()


@pytest.mark.parametrize("protocol", ["http", "http2"])
@pytest.mark.parametrize(
    ("begin", "end"),
    [(PUT + b"Content-Length: 120000\r\n\r\n" + PIECE, PIECE), (CHUNKED + CHUNK, CHUNK + b"0\r\n\r\n")],
    ids=["sized", "chunked"],
)
async def test_a_client_that_sends_no_more_than_its_request_is_answered(world, protocol, begin, end):
    endpoint = served(world, protocol)
    client = await world.client()
    await client.send(begin)
    server, stream = await accepted(endpoint, protocol)
    await world.settle()

    await client.send(end)
    client.channel.half_close()
    await world.settle()
    if stream:
        server.h2.increment_flow_control_window(1 << 20, stream)
        await server.flush()
        received = (await server.body(stream))[0]
        await server.respond(stream)
    else:
        received = await server.exactly(len(begin + end) - begin.index(b"\r\n\r\n") - 4)
        await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    assert (await client.head()).startswith(b"HTTP/1.1 200 ")
    assert received.count(0) == 120_000
