"""Exchanges in which nothing moves: who is told what, and when."""

QUIET = {"timeouts": {"request": 0, "idle": "10s"}, "retries": {"attempts": 0}}
GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 10\r\n\r\n"


async def begun(world, request, policies=QUIET):
    """A client that has sent `request`, and the endpoint's side of it."""
    endpoint = world.endpoint()
    world.serve(endpoint, policies=policies)
    client = await world.client()
    await client.send(request)
    server = await endpoint.accept()
    await server.head()
    return client, server


async def test_an_endpoint_that_says_nothing_is_given_up_although_the_request_has_no_limit(world):
    client, server = await begun(world, GET)

    world.advance(10.1)

    assert (await client.head()).startswith(b"HTTP/1.1 504 ")
    assert await server.rest() == b""


async def test_a_body_that_stops_coming_is_the_clients_fault(world):
    client, server = await begun(world, POST + b"half")
    await server.exactly(4)

    world.advance(10.1)

    answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 408 ") and b"body-timeout" in answer
    assert await server.rest() == b""


async def test_every_byte_of_a_slow_body_counts_as_life(world):
    client, server = await begun(world, POST)
    for _ in range(10):
        world.advance(9)
        await client.send(b"x")
        await server.exactly(1)

    await server.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    assert (await client.head()).startswith(b"HTTP/1.1 204 ")


async def test_the_limit_of_a_request_with_a_slow_body_counts_from_the_bodys_end(world):
    policies = {"timeouts": {"request": "2s", "idle": "10s"}, "retries": {"attempts": 0}}
    client, server = await begun(world, POST, policies)
    world.advance(5)
    await client.send(b"0123456789")
    await server.exactly(10)
    await world.settle()

    world.advance(2.1)

    assert (await client.head()).startswith(b"HTTP/1.1 504 ")


async def test_an_endpoint_that_does_not_read_is_given_up(world):
    client, _server = await begun(world, POST.replace(b"10\r", b"99999999\r"))
    flood = world.reactor.spawn(_flood(client))
    for _ in range(200):  # until every buffer on the way is full
        await world.settle()

    world.advance(10.1)

    assert (await client.head()).startswith(b"HTTP/1.1 504 ")
    flood.cancel()


async def test_a_response_that_stands_still_is_broken_off(world):
    client, server = await begun(world, GET)
    await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    await client.until(b"half")

    world.advance(10.1)

    assert await client.rest() == b""
    assert world.route.stats.requests == {(504, "timeout", ("", "node"), "http1"): 1}


async def _flood(client):
    for _ in range(99):
        await client.send(b"x" * 1_000_000)


async def test_every_byte_of_a_slow_response_counts_as_life(world):
    client, server = await begun(world, GET)
    await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
    await client.head()

    for byte in (b"s", b"l", b"o", b"w"):
        world.advance(6)
        await world.settle()
        await server.send(byte)
        assert await client.exactly(1) == byte
