"""What the mesh answers itself is framed like any other answer: a kept connection stays in step."""

import re

import pytest

from nodeproxy.protocol.errors_as_responses import own_response

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def request(method, host):
    return b"%b /x HTTP/1.1\r\nHost: %b\r\n\r\n" % (method, host)


@pytest.mark.parametrize("host", [b"nobody.shop.mesh", b"empty.shop.mesh"])
async def test_the_meshs_own_answer_to_head_has_no_body_and_says_how_long_one_would_be(world, host):
    world.serve(name=host.split(b".")[0].decode()) if host.startswith(b"empty") else world.serve()
    client = await world.client()

    await client.send(request(b"GET", host))
    full = await client.head()
    length = int(full.split(b"Content-Length: ")[1].split(b"\r\n")[0])
    await client.exactly(length)
    await client.send(request(b"HEAD", host) * 2)
    first, second = await client.head(), await client.head()

    assert first.split(b"\r\n")[0] == second.split(b"\r\n")[0] == full.split(b"\r\n")[0]
    assert f"Content-Length: {length}".encode() in second


async def test_a_head_whose_endpoint_fails_is_answered_without_a_body(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"retries": {"attempts": 0}})
    client = await world.client()

    await client.send(request(b"HEAD", b"web.shop.mesh"))
    server = await endpoint.accept()
    await server.head()
    server.reset()
    first = await client.head()
    await client.send(request(b"GET", b"web.shop.mesh"))
    again = await endpoint.accept()
    await again.head()
    await again.send(OK)

    assert first.startswith(b"HTTP/1.1 502 ")
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")


async def test_a_malformed_head_request_is_refused_without_a_body(world):
    client = await world.client()

    await client.send(b"HEAD /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")

    answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.endswith(b"\r\n\r\n")


async def test_a_malformed_get_is_refused_with_a_text(world):
    client = await world.client()

    await client.send(b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")

    assert (await client.rest()).partition(b"\r\n\r\n")[2].startswith(b"nodeproxy: bad-request: ")


@pytest.mark.parametrize("status", [103, 204])
def test_a_status_without_a_body_has_no_length(status):
    assert own_response(status, b"", b"text/plain").fields.get(b"content-length") is None


async def test_the_meshs_own_answer_has_a_date_a_type_and_a_length(world):
    world.serve()
    client = await world.client()

    await client.send(request(b"GET", b"nobody.shop.mesh"))
    answer = await client.head()

    assert re.search(rb"\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n", answer)
    assert b"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " in answer and b"Via:" not in answer
