"""Endpoints and clients that fail an exchange, and what becomes of it."""

import pytest

from nodeproxy.mesh.wire import Drop
from nodeproxy.upstream.http1 import INTERIM_MOST
from nodeproxy.upstream.upstream import CONNECTS_MOST

GET = b"GET /a?b=c HTTP/1.1\r\nHost: web.shop.mesh\r\nX-One: 1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_a_reused_connection_that_closed_is_replaced_if_the_method_allows(world, method):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"retries": {"attempts": 0}})
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()
    await server.send(OK)
    await client.until(b"ok")

    await client.send(GET.replace(b"GET", method))
    await server.head()
    server.close()
    if method == b"GET":
        again = await endpoint.accept()
        await again.head()
        await again.send(OK)

    head = await client.head()
    assert head.startswith(b"HTTP/1.1 200 " if method == b"GET" else b"HTTP/1.1 502 ")
    assert endpoint.nobody_came()


async def test_a_client_that_resets_ends_the_endpoints_work(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    client.reset()

    assert await server.rest() == b""
    assert world.route.stats.requests == {(499, "client-gone", ("", "node"), "http1"): 1}


async def test_a_request_that_takes_too_long_is_answered_504(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"timeouts": {"request": "2s"}})
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    world.advance(2.1)

    assert (await client.head()).startswith(b"HTTP/1.1 504 ")
    assert await server.rest() == b""


async def test_a_broken_off_answer_is_seen_as_broken_off(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    server.close()

    assert (await client.rest()).endswith(b"half")
    assert world.route.stats.requests == {(502, "connection-lost", ("", "node"), "http1"): 1}


async def test_a_refused_connect_goes_to_the_next_endpoint_even_for_a_post(world):
    dead, alive = world.endpoint(), world.endpoint()
    world.serve(dead, alive, policies={"loadBalancer": {"simple": "ROUND_ROBIN"}, "retries": {"attempts": 0}})
    dead.stop()
    client = await world.client()
    for _ in range(4):
        await client.send(GET.replace(b"GET", b"POST"))
        if "server" not in locals():
            server = await alive.accept()
        await server.head()
        await server.send(OK)

        assert (await client.head()).startswith(b"HTTP/1.1 200 ")
        await client.until(b"ok")

    assert world.clusters.get(world.route.name).ejections == 1


async def test_a_flaky_endpoint_costs_no_request_when_retries_allow_it(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"retries": {"attempts": 2, "retryOn": ["gateway-error"]}})
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    await server.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    await server.head()
    await server.send(OK)

    assert (await client.head()).startswith(b"HTTP/1.1 200 ")
    assert world.route.stats.retries == 1


async def test_idle_connections_close_when_their_endpoint_leaves(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()
    await server.send(OK)
    await client.until(b"ok")

    world.serve()

    assert await server.rest() == b""


async def test_an_endpoint_that_refused_a_connect_is_not_chosen_by_the_next_request(world):
    dead, alive = world.endpoint(), world.endpoint()
    world.serve(dead, alive, policies={"loadBalancer": {"simple": "ROUND_ROBIN"}, "retries": {"attempts": 0}})
    dead.stop()
    client, server = await world.client(), None
    for _ in range(6):
        await client.send(GET)
        server = server or await alive.accept()
        await server.head()
        await server.send(OK)
        await client.until(b"ok")

    await world.settle()
    assert [outcome for _, outcome in world.attempts].count("connect-failed") == 1
    assert sorted(line[0].tries for line in world.log) == [1, 1, 1, 1, 1, 2]


async def test_so_many_endpoints_are_tried_until_one_can_be_connected_to_and_no_more(world):
    dead = [world.endpoint() for _ in range(CONNECTS_MOST + 2)]
    world.serve(*dead, policies={"retries": {"attempts": 0}})
    for endpoint in dead:
        endpoint.stop()
    client = await world.client()

    await client.send(GET)

    assert (await client.head()).startswith(b"HTTP/1.1 503 ")
    assert [outcome for _, outcome in world.attempts] == ["connect-failed"] * CONNECTS_MOST
    assert len({name for name, _ in world.attempts}) == CONNECTS_MOST


@pytest.mark.parametrize("more", [0, 1])
async def test_an_endpoint_may_send_so_many_interim_answers_and_no_more(world, more):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()
    early = b"HTTP/1.1 103 Early Hints\r\n\r\n"

    await server.send(early * (INTERIM_MOST + more) + OK)
    interims = await client.exactly(len(early) * INTERIM_MOST)
    head = await client.head()

    assert interims == early * INTERIM_MOST
    assert head.startswith(b"HTTP/1.1 502 " if more else b"HTTP/1.1 200 ")


async def test_ejections_of_endpoints_that_have_left_still_count(world):
    dead, alive = world.endpoint(), world.endpoint()
    world.serve(dead)
    name = world.route.name
    dead.stop()
    client = await world.client()
    await client.send(GET)
    await client.head()
    cluster = world.clusters.get(name)
    before = cluster.ejections

    world.serve(alive)
    after = cluster.ejections
    world.serve()
    later = cluster.ejections
    world.install(Drop("shop/web"))

    assert (before, after, later) == (1, 1, 1)
    assert world.clusters.get(name) is None and cluster.gone
