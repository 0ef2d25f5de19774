"""A port with two tables: each request is under one of them in exact proportion, and who fails is counted."""

import dataclasses
from collections import Counter
from contextlib import suppress
from math import inf

import pytest

from nodeproxy.errors import ClientGone, PolicyFailed, ProxyError
from nodeproxy.exchange.call import Call
from nodeproxy.mesh.model import Endpoint, Port, Service, Trial
from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.policies.table import PolicyRefused
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Response
from nodeproxy.table.arms import arms
from tests.fakes.exchanges import exchange

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
OLD = {"rateLimit": {"requestsPerSecond": 1000, "burst": 1000}}
NEW = {**OLD, "maxRequestBody": {"limit": 1}}
BAD = {**OLD, "fallback": {"on": ["no-endpoints"], "response": {"status": 503}}}


def web(server, policies, trial=None, protocol="http"):
    endpoints = (Endpoint("127.0.0.1", server.port),) if server is not None else ()
    return Service("shop", "web", "", (Port(80, "http", protocol, endpoints),), policies, trial=trial)


def trial(policies, percentage, **fields):
    return Trial(policies, percentage, 0.0, **fields)


def route(world):
    return world.live.table.at("shop/web", "80")


async def statuses(world, times):
    """The statuses of so many requests to a service without endpoints."""
    found = Counter()
    for _ in range(times):
        client = await world.client()
        await client.send(GET)
        found[int((await client.head())[9:12])] += 1
        client.close()
    return found


def counted(world):
    return {
        outcome: number for (policy, outcome, _), number in route(world).stats.decisions.items() if policy == "rollout"
    }


async def test_requests_are_under_the_changed_table_in_exact_proportion(world):
    world.install(Replace((web(None, OLD, trial({**OLD, "fallback": {"response": {"status": 218}}}, 20)),)))

    found = await statuses(world, 20)

    assert found == {503: 16, 218: 4}
    assert counted(world) == {"new": 4, "last-good-failed": 16}


@pytest.mark.parametrize(
    "ended", [trial(NEW, 0.0), trial(NEW, 0.0, returned="why"), trial(NEW, 100.0, last_good=OLD), None]
)
async def test_without_a_part_of_the_requests_there_is_one_table(world, ended):
    world.install(Replace((web(None, OLD, ended),)))

    await statuses(world, 3)

    assert route(world).trial is None
    assert counted(world) == {}


async def test_what_is_the_same_in_both_tables_has_one_state_during_and_after_the_trial(world):
    world.install(Replace((web(None, OLD),)))
    limiter = route(world).states["rateLimit"]

    world.install(Put(web(None, OLD, trial(NEW, 50))))
    during = route(world)
    world.install(Put(web(None, NEW)))

    assert during.states["rateLimit"] is during.trial.states["rateLimit"] is limiter
    assert route(world).states["rateLimit"] is limiter
    assert route(world).states["maxRequestBody"] is during.trial.states["maxRequestBody"]
    assert route(world).trial is None


async def test_what_was_taken_back_leaves_the_last_good_route_as_it_was(world):
    world.install(Replace((web(None, OLD),)))
    handler = route(world).handler

    world.install(Put(web(None, OLD, trial(BAD, 50))))
    world.install(Put(web(None, OLD, trial(BAD, 0.0, returned="why"))))

    assert route(world).handler is handler


async def test_endpoints_that_come_during_a_trial_are_used_under_both_tables(world):
    server = world.endpoint()
    world.install(Replace((web(None, OLD, trial(NEW, 50)),)))
    world.install(Put(web(server, OLD, trial(NEW, 50))))
    client = await world.client()

    for _ in range(4):
        await client.send(GET)
        peer = await server.accept()
        await peer.head()
        await peer.send(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        assert (await client.head()).startswith(b"HTTP/1.1 204")

    assert counted(world) == {"new": 2, "last-good": 2}


async def test_an_invalid_table_on_trial_refuses_the_update_whole(world):
    world.install(Replace((web(None, OLD),)))

    with pytest.raises(PolicyRefused):
        world.install(Put(web(None, OLD, trial({"timeouts": {"request": "soon"}}, 50))))

    assert route(world).trial is None


def ending(end):
    """A handler whose exchanges end with this response or error."""

    async def handler(_exchange):
        if isinstance(end, ProxyError):
            raise end
        return end

    return handler


def refused(status):
    """The response to a gRPC call that ends with this status and no message."""
    return Response(200, Fields(b"grpc-status: %d\r\n" % status), 0)


def answer(status):
    return Response(status, Fields(b""), 0)


async def both(world, last_good, new, percentage):
    """The route of a port whose two tables have these handlers, also for connections."""
    world.install(Replace((web(None, OLD),)))
    of = route(world)
    one, other = (dataclasses.replace(of, handler=each, connect=each) for each in (last_good, new))
    return arms(one, other, percentage)


@pytest.mark.parametrize("percentage", [0.01, 12.5, 99])
async def test_a_percentage_is_exact_to_a_hundredth(world, percentage):
    under = await both(world, ending(answer(200)), ending(answer(201)), percentage)

    found = Counter([(await under.handler(exchange())).status for _ in range(10_000)])

    assert found[201] == percentage * 100


@pytest.mark.parametrize(
    ("end", "call", "outcome"),
    [
        (answer(499), None, "new"),
        (answer(500), None, "new-failed"),
        (ClientGone(), None, "new"),
        (PolicyFailed(), None, "new-failed"),
        (refused(13), Call(inf), "new-failed"),
        (refused(13), None, "new"),
    ],
)
async def test_a_request_fails_if_its_status_is_500_or_more_that_of_grpc_included(world, end, call, outcome):
    under = await both(world, ending(answer(200)), ending(end), 100)
    asked = exchange()
    asked.call = call

    with suppress(ProxyError):
        await under.handler(asked)

    assert counted(world) == {outcome: 1}


async def test_connections_are_divided_with_the_requests(world):
    under = await both(world, ending(answer(200)), ending(answer(201)), 50)

    found = [(await handler(exchange())).status for handler in (under.handler, under.connect) * 2]

    assert sorted(found) == [200, 200, 201, 201]
    assert counted(world) == {"last-good": 2, "new": 2}
