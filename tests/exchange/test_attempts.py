"""Attempts as an observer sees them, of real exchanges."""

import pytest

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"


class Attempts(list):
    """Remembers attempts that have ended."""

    attempt_ended = list.append

    def exchange_ended(self, *_):
        pass


async def test_an_attempt_has_the_times_of_its_choice_and_of_its_first_byte(world):
    endpoint, seen, began = world.endpoint(), Attempts(), world.clock()
    world.reopen(observer=seen)
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    for piece in (b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 204 No", b" Content\r\n\r\n"):
        world.advance(1)
        await world.settle()
        await server.send(piece)
        await world.settle()
    await client.until(b"No Content\r\n")
    await world.settle()

    (attempt,) = seen
    assert (attempt.began, attempt.first_byte, attempt.outcome) == (began, began + 1, 204)


async def test_an_attempt_lasts_until_the_last_byte_of_its_response(world):
    endpoint, seen = world.endpoint(), Attempts()
    world.reopen(observer=seen)
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()
    await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
    await client.until(b"ha")
    assert not seen

    await server.send(b"lf")
    await client.until(b"lf")
    await world.settle()

    assert [(attempt.endpoint.active, attempt.outcome) for attempt in seen] == [(0, 200)]


@pytest.mark.parametrize(("gone", "reason"), [("endpoint", "connection-lost"), ("client", "client-gone")])
async def test_an_attempt_whose_response_breaks_off_ends_with_the_reason(world, gone, reason):
    endpoint, seen = world.endpoint(), Attempts()
    world.reopen(observer=seen)
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()
    await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
    await client.until(b"ha")

    (server if gone == "endpoint" else client).reset()
    await world.settle()

    assert [(attempt.endpoint.active, attempt.outcome) for attempt in seen] == [(0, reason)]
