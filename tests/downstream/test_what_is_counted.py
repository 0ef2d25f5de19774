"""What a finished request is counted by: its protocol, and the trace that it came with."""

import pytest

from tests.fakes.grpc import call, message
from tests.fakes.http2 import http2_client, request

TRACE = b"0af7651916cd43dd8448eb211c80319c"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def answered(world, line):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n" + line + b"\r\n")
    server = await endpoint.accept()
    await server.head()
    await server.send(OK)
    await client.until(b"ok")


async def test_a_sampled_trace_is_the_exemplar_of_its_bucket(world):
    await answered(world, b"traceparent: 00-%b-b7ad6b7169203331-01\r\n" % TRACE)

    ((bucket, exemplar),) = world.route.stats.exemplars.items()
    assert (bucket, exemplar.trace_id, exemplar.seconds) == (0, TRACE.decode(), 0.0)
    (numbers,) = world.plane.ports.numbers("shop/web")
    assert numbers.report().counters.exemplars == ((0, *exemplar),)


@pytest.mark.parametrize("line", [b"", b"traceparent: 00-%b-b7ad6b7169203331-00\r\n" % TRACE, b"traceparent: x\r\n"])
async def test_a_request_without_one_leaves_none(world, line):
    await answered(world, line)

    assert world.route.stats.exemplars is None


async def test_requests_are_told_apart_by_what_the_client_speaks(world):
    world.serve(protocol="http2")
    client = await http2_client(world)

    await client.response(await client.request(request()))
    await client.response(await client.request(call(), body=message()))

    assert {protocol: number for (*_, protocol), number in world.route.stats.requests.items()} == {
        "http2": 1,
        "grpc": 1,
    }


async def test_an_exemplar_makes_room_for_a_newer_one_after_a_second(world):
    endpoint, unix = world.endpoint(), [1.7e9]
    world.serve(endpoint)
    world.reopen(wall=lambda: unix[0])
    client, seen = await world.client(), []
    server = None
    for number, later in ((1, 0.0), (2, 0.9), (3, 1.0)):
        unix[0] = 1.7e9 + later
        trace = b"%032x" % number
        line = b"traceparent: 00-%b-b7ad6b7169203331-01\r\n" % trace
        await client.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n" + line + b"\r\n")
        server = server or await endpoint.accept()
        await server.head()
        await server.send(OK)
        await client.until(b"ok")
        seen.append(int(world.route.stats.exemplars[0].trace_id))

    assert seen == [1, 1, 3]
