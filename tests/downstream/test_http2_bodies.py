"""Bodies and trailers between HTTP/2 and HTTP/1.1, in all four combinations."""

import pytest

from tests.fakes.http2 import http2_accept, http2_client, meanwhile, request
from tests.fakes.world import World

MEBIBYTE = bytes(range(256)) * 4096


@pytest.fixture
def world():
    with World() as world:
        yield world


async def body_of_http1(served, head):
    """The body and the trailers that an HTTP/1.1 endpoint or client receives behind this head."""
    if b"transfer-encoding: chunked" not in head.lower():
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return await served.exactly(length), b""
    body = b""
    while True:
        size = int(await served.until(b"\r\n"), 16)
        if not size:
            trailers = await served.until(b"\r\n")
            while not trailers.endswith(b"\r\n\r\n") and trailers != b"\r\n":
                trailers += await served.until(b"\r\n")
            return body, trailers[:-2]
        body += await served.exactly(size)
        await served.until(b"\r\n")


@pytest.mark.parametrize("announced", [False, True], ids=["unknown length", "Content-Length"])
@pytest.mark.parametrize("data", [b"", b"question", MEBIBYTE], ids=["empty", "small", "1 MiB"])
def test_a_request_body_goes_from_http2_to_http1(world, data, announced):
    endpoint = world.endpoint()
    world.serve(endpoint)
    fields = [(b"content-length", b"%d" % len(data))] if announced else []

    async def scenario():
        client = await http2_client(world)
        number = await client.request(request(b"POST", b"/", *fields), ended=False)
        meanwhile(world, client.upload(number, data))
        served = await endpoint.accept()
        head = await served.head()
        assert await body_of_http1(served, head) == (data, b"")
        await served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert (await client.response(number))[2] == b"ok"
        number = await client.request()
        await served.head()  # the connection is used again: its framing was right

    world.run(scenario())


def test_a_small_body_of_unknown_length_and_its_trailers_reach_http1_in_chunks(world):
    endpoint = world.endpoint()
    world.serve(endpoint)

    async def scenario():
        client = await http2_client(world)
        number = client.h2.get_next_available_stream_id()
        client.h2.send_headers(number, request(b"POST"))
        client.h2.send_data(number, b"question")
        client.h2.send_headers(number, [(b"x-sum", b"1")], end_stream=True)
        await client.flush()
        served = await endpoint.accept()
        assert await body_of_http1(served, await served.head()) == (b"question", b"x-sum: 1\r\n")

    world.run(scenario())


def test_large_bodies_go_both_ways_between_http2_and_http2(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")

    async def scenario():
        client = await http2_client(world)
        number = await client.request(request(b"POST"), ended=False)
        meanwhile(world, client.upload(number, MEBIBYTE, [(b"x-sum", b"1")]))
        served = await http2_accept(endpoint)
        stream, _ = await served.received_request()
        assert await served.body(stream) == (MEBIBYTE, [(b"x-sum", b"1")])
        served.h2.send_headers(stream, [(b":status", b"200")])
        meanwhile(world, served.upload(stream, MEBIBYTE[::-1], [(b"grpc-status", b"0")]))
        status, _, body, trailers = await client.response(number)
        assert (status, body, trailers) == (200, MEBIBYTE[::-1], [(b"grpc-status", b"0")])

    world.run(scenario())


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_a_response_body_goes_from_http1_to_http2(world, framing):
    endpoint = world.endpoint()
    world.serve(endpoint)

    async def scenario():
        client = await http2_client(world)
        number = await client.request()
        served = await endpoint.accept()
        await served.head()
        meanwhile(world, answer(served))
        status, fields, body, trailers = await client.response(number)
        assert (status, body) == (200, MEBIBYTE)
        assert trailers == ([(b"x-sum", b"1")] if framing == "chunked" else None)
        assert (dict(fields).get(b"content-length") is not None) == (framing == "length")
        assert not {b"transfer-encoding", b"connection"} & dict(fields).keys()

    async def answer(served):
        if framing == "chunked":
            await served.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(MEBIBYTE), 65536):
                await served.send(b"10000\r\n" + MEBIBYTE[at : at + 65536] + b"\r\n")
            await served.send(b"0\r\nX-Sum: 1\r\n\r\n")
        elif framing == "length":
            await served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n" + MEBIBYTE)
        else:
            await served.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + MEBIBYTE)
            served.close()

    world.run(scenario())


def test_a_response_body_and_its_trailers_go_from_http2_to_http1(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")

    async def scenario():
        client = await world.client()
        await client.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\nTE: trailers\r\nConnection: TE\r\n\r\n")
        served = await http2_accept(endpoint)
        stream, _ = await served.received_request()
        served.h2.send_headers(stream, [(b":status", b"200")])
        meanwhile(world, served.upload(stream, MEBIBYTE, [(b"x-sum", b"1")]))
        assert await body_of_http1(client, await client.head()) == (MEBIBYTE, b"x-sum: 1\r\n")

    world.run(scenario())


def test_a_chunked_request_with_trailers_goes_from_http1_to_http2(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")

    async def scenario():
        client = await world.client()
        await client.send(b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        served = await http2_accept(endpoint)
        stream, fields = await served.received_request()
        assert not {b"transfer-encoding", b"content-length", b"host"} & dict(fields).keys()
        await client.send(b"2\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n")
        assert await served.body(stream) == (b"abcde", [(b"x-sum", b"1")])

    world.run(scenario())


@pytest.mark.parametrize("protocol", ["http", "http2"])
@pytest.mark.parametrize("status", [b"204", b"304"])
def test_a_response_without_content_ends_with_its_head(world, protocol, status):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol=protocol)

    async def scenario():
        client = await http2_client(world)
        served = None
        for _ in range(2):
            number = await client.request()
            if protocol == "http":
                served = served or await endpoint.accept()
                await served.head()
                await served.send(b"HTTP/1.1 %b X\r\nETag: x\r\n\r\n" % status)
            else:
                served = served or await http2_accept(endpoint)
                stream, _fields = await served.received_request()
                await served.respond(stream, fields=[(b"etag", b"x")], status=status)
            assert (await client.response(number))[0] == int(status)

    world.run(scenario())
    assert [line[2] for line in world.log] == [int(status)] * 2


@pytest.mark.parametrize("protocol", ["http", "http2"])
def test_the_response_to_head_has_a_length_and_no_body(world, protocol):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol=protocol)

    async def scenario():
        client = await http2_client(world)
        number = await client.request(request(b"HEAD"))
        if protocol == "http":
            served = await endpoint.accept()
            await served.head()
            await served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        else:
            served = await http2_accept(endpoint)
            stream, _ = await served.received_request()
            await served.respond(stream, fields=[(b"content-length", b"1000")])
        status, fields, body, _ = await client.response(number)
        assert (status, body, dict(fields)[b"content-length"]) == (200, b"", b"1000")

    world.run(scenario())


@pytest.mark.parametrize("status", [b"204", b"304"])
def test_a_response_that_has_no_content_may_say_its_length(world, status):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")

    async def scenario():
        client = await http2_client(world)
        number = await client.request()
        served = await http2_accept(endpoint)
        stream, _ = await served.received_request()
        await served.respond(stream, fields=[(b"content-length", b"5")], status=status)
        assert (await client.response(number))[0] == int(status)  # RFC 9113, 8.1.1

    world.run(scenario())


@pytest.mark.parametrize("downstream", ["http", "http2"])
@pytest.mark.parametrize("protocol", ["http", "http2"])
def test_interim_responses_come_before_the_response(world, protocol, downstream):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol=protocol)

    async def scenario():
        if downstream == "http":
            client = await world.client()
            await client.send(b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nExpect: 100-continue\r\n"
                              b"Content-Length: 3\r\n\r\n")  # fmt: skip
        else:
            client = await http2_client(world)
            fields = [(b"expect", b"100-continue"), (b"content-length", b"3")]
            number = await client.request(request(b"POST", b"/", *fields), ended=False)
        if protocol == "http":
            served = await endpoint.accept()
            assert b"expect: 100-continue" in (await served.head()).lower()
            await served.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        else:
            served = await http2_accept(endpoint)
            stream, fields = await served.received_request()
            assert dict(fields)[b"expect"] == b"100-continue"
            served.h2.send_headers(stream, [(b":status", b"100")])
            served.h2.send_headers(stream, [(b":status", b"103"), (b"link", b"</x>")])
            await served.flush()
        if downstream == "http":
            assert (await client.head()).startswith(b"HTTP/1.1 100")
            assert b"</x>" in await client.head()
            await client.send(b"abc")
        else:
            assert await client.interim(number) == 100
            assert await client.interim(number) == 103
            await client.upload(number, b"abc")
        if protocol == "http":
            assert await served.exactly(3) == b"abc"
            await served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        else:
            assert (await served.body(stream))[0] == b"abc"
            await served.respond(stream)
        if downstream == "http":
            assert (await client.head()).startswith(b"HTTP/1.1 200")
        else:
            assert (await client.response(number))[0] == 200

    world.run(scenario())


@pytest.mark.parametrize("protocol", ["http", "http2"])
def test_a_response_may_come_before_the_request_has_been_sent(world, protocol):
    """The client is told by NO_ERROR to send no more, and its connection goes on. Source: RFC 9113, 8.1."""
    endpoint = world.endpoint()
    world.serve(endpoint, protocol=protocol)

    async def scenario():
        client = await http2_client(world)
        number = await client.request(request(b"POST"), body=b"first", ended=False)
        if protocol == "http":
            served = await endpoint.accept()
            await served.until(b"first\r\n")
            await served.send(b"HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nno!")
        else:
            served = await http2_accept(endpoint)
            stream, _ = await served.received_request()
            await served.respond(stream, b"no!", status=b"413")
        status, _, body, _ = await client.response(number, resets=[0])
        assert (status, body) == (413, b"no!")
        if protocol == "http2":
            assert await served.was_reset(stream) == 8  # CANCEL: the rest of the body never comes
        number = await client.request()
        if protocol == "http":
            served = await endpoint.accept()
            await served.head()
            await served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        else:
            stream, _ = await served.received_request()
            await served.respond(stream)
        assert (await client.response(number))[0] == 200

    world.run(scenario())


def test_a_request_that_is_over_is_not_reset_at_its_endpoint(world):
    """A server counts resets: a proxy that sent one per request would look like rapid reset."""
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")

    async def scenario():
        client = await http2_client(world)
        served = None
        for body in (None, b"question", None):
            number = await client.request(request(b"POST"), body=body)
            served = served or await http2_accept(endpoint)
            stream, _ = await served.received_request()
            await served.respond(stream, b"answer")
            assert (await client.response(number))[2] == b"answer"
        await served.settled()
        assert served.resets == client.resets == []

    world.run(scenario())
