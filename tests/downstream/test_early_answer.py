"""An endpoint that answers before it has the whole request, with retries on: its request is still one request."""

import pytest


async def test_an_early_answer_that_is_not_retried_does_not_send_the_bodys_beginning_twice(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"retries": {"retryOn": ["5xx"]}})
    client = await world.client()
    await client.send(b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 10\r\n\r\n01234")
    server = await endpoint.accept()
    await server.head()
    await server.exactly(5)

    await server.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbu")
    await client.head()
    await client.send(b"56789")
    await server.exactly(5)
    await server.send(b"sy")
    answer = await client.exactly(4)
    await world.settle()
    world.serve()

    assert answer == b"busy"  # what follows would be taken for the next request
    assert await server.rest() == b""


@pytest.mark.parametrize("refusal", [b"Content-Length: 4\r\n\r\nbu", b"Content-Length: 4\r\n\r\nbusy"])
async def test_an_early_answer_that_is_retried_gets_the_whole_body_on_another_connection(world, refusal):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"retries": {"retryOn": ["5xx"]}})
    client = await world.client()
    await client.send(b"PUT / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 10\r\n\r\n01234")
    first = await endpoint.accept()
    await first.head()
    await first.exactly(5)

    await first.send(b"HTTP/1.1 503 Busy\r\n" + refusal)
    second = await endpoint.accept()
    await second.head()
    await client.send(b"56789")
    body = await second.exactly(10)
    await second.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    assert body == b"0123456789"
    assert await first.rest() == b""
    assert (await client.head()).startswith(b"HTTP/1.1 204 ")


async def test_a_connection_with_an_unfinished_request_carries_no_other(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client, other = await world.client(), await world.client()
    await client.send(b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 100\r\n\r\n01234")
    server = await endpoint.accept()
    await server.head()
    await server.exactly(5)

    await server.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    await client.head()
    await other.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n")
    again = await endpoint.accept()

    assert (await again.head()).startswith(b"GET / ")
    assert await server.rest() == b""
