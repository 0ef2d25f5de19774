"""A port with two tables: each request is under one of them in exact proportion, and who fails is counted."""

from collections import Counter

import pytest

from nodeproxy.mesh.model import Endpoint, Port, Service, Trial
from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.policies.table import PolicyRefused

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
