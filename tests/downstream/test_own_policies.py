"""Custom policies in the hot lane: what a client sees of a mistake, on its connection and on others."""

import pytest

from nodeproxy.policies.guard import guarded
from nodeproxy.policies.registry import BUILT_IN
from nodeproxy.telemetry.whereabouts import Whereabouts
from tests.fakes import own_policies as own
from tests.fakes.world import World

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FAILED = b"x-mesh-error: policy-failed:stamp\r\n"


async def waits_for_ever(_inner, _exchange, tools):
    await tools.event().wait()


@pytest.fixture
def opened():
    """Makes a world whose service has this policy, guarded as in a worker."""
    worlds = []

    def open_world(policy):
        world = World(registry=BUILT_IN.with_own(guarded((policy,), Whereabouts().cell())))
        worlds.append(world)
        server = world.endpoint()
        world.serve(server, policies={"stamp": {}, "timeouts": {"responseHead": "2s"}, "retries": {"attempts": 0}})
        return world, server

    yield open_world
    for world in worlds:
        world.__exit__()


def test_a_wait_that_nothing_ends_is_ended_by_timeouts_and_named(opened):
    world, server = opened(own.around(waits_for_ever))

    heads = []

    async def scenario():
        client = await world.client()
        await client.send(GET)
        await world.settle()
        world.advance(3.0)
        heads.append(await client.head())

    world.run(scenario())

    (head,) = heads
    assert head.startswith(b"HTTP/1.1 500 ") and FAILED in head
    assert server.nobody_came()


@pytest.mark.parametrize("policy", [own.policy(on_response=own.bug), own.around(own.bug_after)])
def test_a_mistake_with_a_response_in_hand_leaves_both_connections_usable(opened, policy):
    world, server = opened(policy)

    heads = []

    async def scenario():
        client = await world.client()
        await client.send(GET)
        peer = await server.accept()
        for _ in range(2):
            await peer.head()
            await peer.send(OK)
            heads.append(await client.head())
            await client.until(b")\n")
            if len(heads) < 2:
                await client.send(GET)

    world.run(scenario())

    assert len(heads) == 2
    assert all(head.startswith(b"HTTP/1.1 500 ") and FAILED in head for head in heads)
    assert server.nobody_came()


def test_a_client_that_goes_while_it_waits_ends_the_wait(opened):
    ended = []

    async def waits(inner, exchange, tools):
        try:
            await waits_for_ever(inner, exchange, tools)
        finally:
            ended.append(True)

    world, _ = opened(own.around(waits))

    async def scenario():
        client = await world.client()
        await client.send(GET)
        await world.settle()
        client.reset()
        await world.settle()

    world.run(scenario())

    assert ended == [True]
    assert not world.connections.open
    assert not world.route.stats.decisions
