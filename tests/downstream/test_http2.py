"""HTTP/2 clients of the mesh, with HTTP/1.1 and with HTTP/2 endpoints."""

import pytest

from tests.fakes.http2 import http2_accept, http2_client, request
from tests.fakes.world import World


@pytest.fixture
def world():
    with World() as world:
        yield world


def test_a_request_goes_from_http2_to_http1(world):
    endpoint = world.endpoint()
    world.serve(endpoint)

    async def scenario():
        client = await http2_client(world)
        number = await client.request(request(b"GET", b"/x?y", (b"x-a", b"1")))
        served = await endpoint.accept()
        head = await served.head()
        assert head.startswith(b"GET /x?y HTTP/1.1\r\nhost: web.shop.mesh\r\nx-a: 1\r\n")
        await served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-B: 2\r\n\r\nhello")
        status, fields, body, trailers = await client.response(number)
        assert (status, body, trailers) == (200, b"hello", None)
        assert (b"x-b", b"2") in fields

    world.run(scenario())
    assert world.log[0][2] == 200


def test_a_request_goes_from_http2_to_http2(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")

    async def scenario():
        client = await http2_client(world)
        number = await client.request(request(b"POST", b"/x", (b"te", b"trailers")), body=b"question")
        served = await http2_accept(endpoint)
        stream, fields = await served.received_request()
        assert dict(fields)[b":path"] == b"/x"
        assert dict(fields)[b":authority"] == b"web.shop.mesh"
        assert (b"te", b"trailers") in fields
        await served.respond(stream, b"answer", trailers=[(b"grpc-status", b"0")])
        status, fields, body, trailers = await client.response(number)
        assert (status, body, trailers) == (200, b"answer", [(b"grpc-status", b"0")])

    world.run(scenario())


def test_a_request_goes_from_http1_to_http2(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")

    async def scenario():
        client = await world.client()
        await client.send(
            b"POST /x HTTP/1.1\r\nHost: web.shop.mesh\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        )
        served = await http2_accept(endpoint)
        stream, fields = await served.received_request()
        assert dict(fields)[b":method"] == b"POST"
        await served.respond(stream, b"answer")
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 200 OK\r\n") or head.startswith(b"HTTP/1.1 200 \r\n")
        assert await client.exactly(6) == b"answer" if b"content-length" in head.lower() else True

    world.run(scenario())
