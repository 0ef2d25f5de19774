"""`fairness`, as callers and a service with few places see it."""

import pytest

from nodeproxy.policies.table import PolicyRefused, settings_of

ASK = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


def fairness(**more):
    return {"fairness": {"maxRequests": 1, **more}, "connectionPool": {"maxConnections": 100}}


async def asking(world, number):
    """So many clients, whose requests come one after the other."""
    clients = []
    for _ in range(number):
        clients.append(await world.client())
        await clients[-1].send(ASK)
        await world.settle()
    return clients


async def test_requests_beyond_the_places_wait_for_them(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies=fairness())
    first, second = await asking(world, 2)
    server = await endpoint.accept()
    await server.head()
    alone = endpoint.nobody_came()

    await server.send(EMPTY)
    await first.head()
    await server.head()
    await server.send(EMPTY)

    assert alone and (await second.head()).startswith(b"HTTP/1.1 204")
    assert world.route.stats.decisions == {("fairness", "queued", "enforce"): 1}


async def test_too_many_of_one_caller_are_refused(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies=fairness())

    *_, third = await asking(world, 3)
    refused = await third.head()

    assert refused.startswith(b"HTTP/1.1 503") and b"Retry-After: 1\r\n" in refused
    assert b"x-mesh-error: over-share\r\n" in refused


async def test_a_wait_ends_with_the_time_of_its_request_and_leaves_no_place_taken(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={**fairness(), "timeouts": {"responseHead": "5s"}, "retries": {"attempts": 0}})
    first, second = await asking(world, 2)

    world.advance(6)
    await world.settle()

    assert (await first.head()).startswith(b"HTTP/1.1 504") and (await second.head()).startswith(b"HTTP/1.1 504")
    shares = world.route.states["fairness"]
    assert (shares.used, shares.queued) == (0, 0)


async def test_a_client_that_goes_while_it_waits_leaves_the_queue(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies=fairness())
    _, second = await asking(world, 2)
    shares = world.route.states["fairness"]
    before = shares.queued

    second.reset()
    await world.settle()

    assert (before, shares.queued, shares.used) == (1, 0, 1)


async def test_in_shadow_mode_all_go_on_and_are_counted(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies=fairness(mode="shadow"))
    await asking(world, 3)

    servers = [await endpoint.accept() for _ in range(3)]
    for server in servers:
        await server.head()
        await server.send(EMPTY)
    await world.settle()

    assert world.route.stats.decisions == {("fairness", "queued", "shadow"): 2}
    assert world.route.states["fairness"].used == 0


async def test_a_change_of_endpoints_or_numbers_keeps_the_places_taken(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies=fairness())
    await asking(world, 1)

    world.serve(endpoint, world.endpoint(), policies=fairness(maxPendingPerCaller=7))
    await asking(world, 1)

    shares = world.route.states["fairness"]
    assert (shares.used, shares.queued) == (1, 1)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({}, r"^fairness\.maxRequests: has to be written, and is missing$"),
        ({"maxRequests": 0}, r"^fairness\.maxRequests: expected at least 1, got 0$"),
        (
            {"maxRequests": 1, "maxPercentPerCaller": 101},
            r"^fairness\.maxPercentPerCaller: expected at most 100, got 101$",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(written, told):
    with pytest.raises(PolicyRefused, match=told):
        settings_of({"fairness": written})
