"""`connectionPool`: connections, requests on them, requests that wait, reuse; on real sockets."""

import pytest

from nodeproxy.mesh.wire import Drop, Put
from nodeproxy.policies.connection_pool import ConnectionPoolSettings, bounds

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NO_RETRIES = {"retries": {"attempts": 0}}


def serve(world, *endpoints, **settings):
    world.serve(*endpoints, policies={**NO_RETRIES, "connectionPool": settings})


async def asked(world, number=1):
    """So many clients, each of which has sent a request."""
    clients = []
    for _ in range(number):
        client = await world.client()
        await client.send(GET)
        await world.settle()
        clients.append(client)
    return clients


async def answer(server, response=OK):
    await server.head()
    await server.send(response)


def decisions(world):
    return {outcome: number for (_policy, outcome, _mode), number in world.route.stats.decisions.items()}


async def test_a_request_beyond_the_connections_waits_for_the_next_that_is_free(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxConnections=1)
    first, second, third = await asked(world, 3)
    server = await endpoint.accept()

    for client in (first, second, third):  # in the order in which they came
        await answer(server)
        assert (await client.head()).startswith(b"HTTP/1.1 200 ")

    assert endpoint.nobody_came()
    assert decisions(world) == {"queued": 2}


async def test_what_is_free_is_kept_for_one_that_waits_until_that_has_its_turn(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxConnections=1)
    first, waiting = await asked(world, 2)
    server = await endpoint.accept()
    pool = world.clusters.get("shop/web:80").endpoints[0].pool
    await answer(server)
    while not pool.idle_count:
        await world.reactor.rest()

    assert pool.limits.waiting == 1 and pool.take() is None

    await answer(server)
    for client in (first, waiting):
        assert (await client.head()).startswith(b"HTTP/1.1 200 ")


async def test_a_new_request_does_not_overtake_one_that_waits(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxConnections=1)
    first, waiting = await asked(world, 2)
    server = await endpoint.accept()
    await answer(server)
    await first.head()

    await first.send(GET)  # as soon as the connection is free
    await answer(server)

    assert (await waiting.head()).startswith(b"HTTP/1.1 200 ")
    await answer(server)
    assert (await first.until(b"\r\n\r\n")).endswith(b"\r\n\r\n")


async def test_more_waiting_requests_than_allowed_are_answered_at_once(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxConnections=1, maxPendingRequests=1)
    _, _, rejected = await asked(world, 3)

    response = await rejected.head()

    assert response.startswith(b"HTTP/1.1 503 ") and b"x-mesh-error: connection-pool-full" in response
    assert decisions(world) == {"queued": 1, "max-pending": 1}


async def test_more_requests_than_allowed_are_answered_at_once(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxRequests=2)
    first, _, rejected = await asked(world, 3)

    assert (await rejected.head()).startswith(b"HTTP/1.1 503 ")

    await answer(await endpoint.accept())
    await first.head()
    await first.send(GET)
    await world.settle()
    assert decisions(world) == {"max-requests": 1}


async def test_in_shadow_mode_nothing_waits_and_nothing_is_rejected(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxConnections=1, maxRequests=1, mode="shadow")

    clients = await asked(world, 3)
    for _ in clients:
        await answer(await endpoint.accept())

    assert [(await client.head())[:12] for client in clients] == [b"HTTP/1.1 200"] * 3
    assert decisions(world) == {"max-connections": 2, "max-requests": 2}


async def test_an_idle_connection_of_another_endpoint_makes_way(world):
    endpoints = world.endpoint(), world.endpoint()
    policies = {**NO_RETRIES, "loadBalancer": {"simple": "ROUND_ROBIN"}, "connectionPool": {"maxConnections": 1}}
    world.serve(*endpoints, policies=policies)
    servers = []

    for _ in endpoints:
        (client,) = await asked(world)
        (server,) = [peer for endpoint in endpoints if (peer := endpoint.waiting()) is not None]
        await answer(server)
        await client.until(b"ok")
        servers.append(server)

    assert await servers[0].rest() == b""
    assert world.route.states["connectionPool"].connections == 1


async def test_a_connection_is_closed_after_as_many_requests_as_allowed(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxRequestsPerConnection=2)
    (client,) = await asked(world)
    server = await endpoint.accept()
    await answer(server)
    await client.until(b"ok")

    await client.send(GET)
    await answer(server)
    await client.until(b"ok")

    assert await server.rest() == b""
    limits = world.route.states["connectionPool"]
    assert (limits.connections, limits.busy) == (0, 0)


@pytest.mark.parametrize(("announced", "idle_s"), [(b"timeout=5", 4.0), (b"max=100, timeout=1", 0.5), (b"max=9", 60.0)])
async def test_a_connection_is_not_idle_for_longer_than_the_endpoint_announces(world, announced, idle_s):
    endpoint = world.endpoint()
    world.serve(endpoint)
    (client,) = await asked(world)
    server = await endpoint.accept()
    await answer(server, OK.replace(b"\r\n\r\n", b"\r\nKeep-Alive: " + announced + b"\r\n\r\n"))
    await client.until(b"ok")
    (target,) = world.clusters.get("shop/web:80").endpoints

    world.advance(idle_s - 0.1)
    await world.settle()
    assert target.pool.idle_count == 1

    world.advance(0.1)
    await world.settle()
    assert target.pool.idle_count == 0 and await server.rest() == b""


async def test_the_policys_own_idle_timeout_is_the_lower_bound(world):
    endpoint = world.endpoint()
    serve(world, endpoint, idleTimeout="2s")
    (client,) = await asked(world)
    server = await endpoint.accept()
    await answer(server)
    await client.until(b"ok")

    world.advance(2)
    await world.settle()

    assert await server.rest() == b""


async def test_a_request_that_waits_is_served_when_the_limit_is_lifted(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxConnections=1)
    _, waiting = await asked(world, 2)
    await endpoint.accept()

    world.install(Put(type(world.route.service)("shop", "web", "", (world.route.port,), NO_RETRIES)))
    await world.settle()
    await answer(await endpoint.accept())

    assert (await waiting.head()).startswith(b"HTTP/1.1 200 ")


async def test_open_connections_count_against_a_limit_that_comes_later(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies=NO_RETRIES)
    await asked(world)
    server = await endpoint.accept()

    serve(world, endpoint, maxConnections=1)
    (waiting,) = await asked(world)
    await answer(server)
    await world.settle()
    await answer(server)

    assert (await waiting.head()).startswith(b"HTTP/1.1 200 ")
    assert endpoint.nobody_came()


async def test_a_client_that_hangs_up_while_it_waits_leaves_its_place(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxConnections=1)
    first, gone, last = await asked(world, 3)
    server = await endpoint.accept()

    gone.reset()
    await world.settle()
    await answer(server)
    await first.head()
    await answer(server)

    assert (await last.head()).startswith(b"HTTP/1.1 200 ")
    assert world.route.states["connectionPool"].waiting == 0


async def test_requests_under_way_count_against_a_limit_that_comes_later(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies=NO_RETRIES)
    await asked(world)

    serve(world, endpoint, maxRequests=1)
    (rejected,) = await asked(world)

    assert (await rejected.head()).startswith(b"HTTP/1.1 503 ")


async def test_a_connect_that_fails_takes_no_place(world):
    endpoint = world.endpoint()
    endpoint.stop()
    serve(world, endpoint, maxConnections=1, maxRequests=1)

    for _ in range(2):
        (client,) = await asked(world)
        assert b"x-mesh-error: connect-failed" in await client.head()

    limits = world.route.states["connectionPool"]
    assert (limits.connections, limits.busy) == (0, 0)


async def test_a_request_that_waits_for_an_endpoint_which_leaves_goes_to_another(world):
    leaving, staying = world.endpoint(), world.endpoint()
    serve(world, leaving, maxConnections=1)
    first, waiting = await asked(world, 2)
    server = await leaving.accept()

    serve(world, staying, maxConnections=1)
    await answer(server)  # the one under way is served to its end
    assert (await first.until(b"ok")).startswith(b"HTTP/1.1 200 ")
    await answer(await staying.accept())

    assert (await waiting.head()).startswith(b"HTTP/1.1 200 ")
    assert leaving.nobody_came()


async def test_a_request_that_waits_for_the_last_endpoint_is_told_when_it_leaves(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxConnections=1)
    _, waiting = await asked(world, 2)

    serve(world, maxConnections=1)

    response = await waiting.head()
    assert response.startswith(b"HTTP/1.1 503 ") and b"x-mesh-error: connect-failed" in response
    assert world.route.states["connectionPool"].waiting == 0


async def test_an_endpoint_that_leaves_together_with_its_limits_keeps_no_request_waiting(world):
    leaving, staying = world.endpoint(), world.endpoint()
    serve(world, leaving, maxConnections=1)
    _, waiting = await asked(world, 2)

    serve(world, staying, maxConnections=2)
    await answer(await staying.accept())

    assert (await waiting.head()).startswith(b"HTTP/1.1 200 ")


async def test_a_request_that_waits_when_its_service_leaves_dials_nobody(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxConnections=1)
    _, waiting = await asked(world, 2)
    await endpoint.accept()

    world.install(Drop("shop/web"))

    assert (await waiting.head()).startswith(b"HTTP/1.1 503 ")
    assert endpoint.nobody_came()


async def test_idle_connections_beyond_a_lower_limit_make_way_together(world):
    endpoint, other = world.endpoint(), world.endpoint()
    world.serve(endpoint, policies=NO_RETRIES)
    clients = await asked(world, 3)
    servers = [await endpoint.accept() for _ in clients]
    for server, client in zip(servers, clients, strict=True):
        await answer(server)
        await client.until(b"ok")

    policies = {**NO_RETRIES, "connectionPool": {"maxConnections": 1}, "loadBalancer": {"simple": "ROUND_ROBIN"}}
    world.serve(other, endpoint, policies=policies)
    await asked(world)
    await answer(await other.accept())

    assert [await server.rest() for server in servers] == [b"", b"", b""]
    assert world.route.states["connectionPool"].connections == 1


async def test_in_shadow_mode_connections_are_used_again_and_none_makes_way(world):
    endpoints = world.endpoint(), world.endpoint()
    rehearsed = {"maxConnections": 1, "maxRequestsPerConnection": 1, "idleTimeout": "1s", "mode": "shadow"}
    policies = {**NO_RETRIES, "loadBalancer": {"simple": "ROUND_ROBIN"}, "connectionPool": rehearsed}
    world.serve(*endpoints, policies=policies)
    for _ in endpoints:
        (client,) = await asked(world)
        (server,) = [peer for endpoint in endpoints if (peer := endpoint.waiting()) is not None]
        await answer(server)
        await client.until(b"ok")

    world.advance(2)
    await world.settle()

    assert [endpoint.pool.idle_count for endpoint in world.clusters.get("shop/web:80").endpoints] == [1, 1]
    assert decisions(world) == {}


async def test_two_connections_that_are_free_at_once_serve_two_that_wait(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxConnections=2)
    await asked(world, 4)
    servers = [await endpoint.accept(), await endpoint.accept()]
    for server in servers:
        await server.head()

    for server in servers:
        await server.send(OK)

    for server in servers:
        assert (await server.head()).startswith(b"GET / ")


def test_workers_divide_the_limits_and_each_has_at_least_one():
    settings = ConnectionPoolSettings.model_validate({"maxConnections": 9, "maxRequests": 1, "maxPendingRequests": 0})

    shared = bounds(settings, workers=4)

    assert (shared.connections, shared.requests, shared.pending) == (2, 1, 0)
