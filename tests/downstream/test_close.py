"""The end of a connection that carries no more requests: closed at once, or left to a client that may still send."""

import pytest

CLOSE = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\nConnection: close\r\n\r\n"
UPLOAD = b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nConnection: close\r\nContent-Length: 9\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\nHost: web.shop.mesh\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def answered(world, request):
    """A client whose request has been answered, and that has not closed its side."""
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(request)
    server = await endpoint.accept()
    await server.head()
    await server.send(OK)
    assert (await client.rest()).endswith(b"ok")
    await world.settle()
    return client


@pytest.mark.parametrize("request_bytes", [CLOSE, UPLOAD + b"whole 9 b", OLD])
async def test_who_has_said_that_no_request_follows_is_not_waited_for(world, request_bytes):
    await answered(world, request_bytes)

    assert not world.connections.open


@pytest.mark.parametrize("request_bytes", [UPLOAD + b"half", CLOSE + GET, GET], ids=["upload", "pipelined", "drained"])
async def test_who_may_still_send_has_time_to_read(world, request_bytes):
    if request_bytes == GET:
        world.connections.drain()  # the response says that the connection ends, and the client may not have read that
    client = await answered(world, request_bytes)

    assert len(world.connections.open) == 1
    await client.send(b"more")
    client.close()
    await world.settle()
    assert not world.connections.open
