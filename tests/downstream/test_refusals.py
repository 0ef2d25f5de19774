"""What is no request, and what is no response: nothing of it reaches anybody."""

import pytest

GET = b"GET /a?b=c HTTP/1.1\r\nHost: web.shop.mesh\r\nX-One: 1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200, 431),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 403),
    ],
)
async def test_what_is_no_request_is_refused_and_nothing_forwarded(world, sent, status):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    await client.send(sent)
    answer = await client.rest()

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close\r\n" in answer and b"x-mesh-error: " in answer
    assert endpoint.nobody_came()


async def test_a_head_that_drips_is_answered_408(world):
    client = await world.client()
    for byte in b"GET /":
        await client.send(bytes([byte]))
        await world.settle()
        world.advance(2.5)

    answer = await client.rest()

    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_broken_chunk_ends_both_sides_and_is_no_second_request(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    await client.send(b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + GET)
    server = await endpoint.accept()
    seen = await server.rest()
    answer = await client.rest()

    assert seen.count(b"HTTP/1.1\r\n") == 1 and not seen.endswith(b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1


async def test_surplus_bytes_reach_nobody_and_their_connection_is_not_used_again(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    await server.send(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    await client.until(b"ok")
    await client.send(GET)
    again = await endpoint.accept()
    await again.head()
    await again.send(OK)

    assert b"evil" not in await client.until(b"ok")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 1\n\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
        b"220 mail.example ESMTP\r\n",
        b"\x15\x03\x01",
        b"+OK",
        b"nonsense\r\n\r\n",
    ],
)
async def test_a_doubtful_answer_becomes_502(world, answer):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    await server.send(answer)
    head = await client.head()

    assert head.startswith(b"HTTP/1.1 502 ") and b"x-mesh-error: bad-response\r\n" in head
    assert await server.rest() == b""
