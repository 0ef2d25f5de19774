"""Whatever happens to several attempts in whatever order, one answer comes, and nothing is left of them."""

import gc
from random import Random

import pytest

from nodeproxy.errors import ProxyError
from nodeproxy.policies.race import Race
from tests.downstream.test_left_behind import HEAVY
from tests.fakes.hedged import Mesh, answer

pytestmark = pytest.mark.no_cover  # thousands of rounds of the same lines, which tracing makes twice as long

POLICIES = {
    "hedging": {"delay": "100ms", "maxAttempts": 2},
    "timeouts": {"backendRequest": "800ms", "request": "2s"},
    "retries": {"attempts": 1, "retryOn": ["reset", "timeout", "5xx"]},
}


def heavy():
    return {id(thing): thing for thing in gc.get_objects() if isinstance(thing, (*HEAVY, Race))}


async def happen(mesh, world, client, random):
    """Something at one of the sides; returns whether the client is still there."""
    event = random.choice(["answer", "half", "fail", "reset", "malformed", "wait", "wait", "wait", "cancel", "leave"])
    server = random.choice(mesh.arrived) if mesh.arrived else None
    if event == "wait":
        world.advance(random.choice([0.06, 0.11, 0.3, 0.9]))
    elif event == "leave" and random.random() < 0.2:
        client.reset()
        return False
    elif event == "cancel" and random.random() < 0.2:
        for task in list(world.connections.open.values()):
            task.cancel()
    elif server is not None and not server.channel.closed and event in ("answer", "half", "fail", "malformed"):
        whole = answer(b"whole" * 3, b"500 No" if event == "fail" else b"200 OK")
        await mesh.tell(server, {"half": whole[:-5], "malformed": b"SMTP\r\n\r\n"}.get(event, whole))
    elif server is not None and event == "reset" and not server.channel.closed:
        server.reset()
    if random.random() < 0.5:  # otherwise the next one happens in the same turn
        await mesh.look()
    return True


class Told(Mesh):
    """Does not mind connections that have been closed."""

    async def tell(self, server, data):
        try:
            await server.send(data)
        except ProxyError:
            server.close()

    async def read(self, server):
        try:
            return await server.head()
        except (AssertionError, ProxyError):
            return b""


async def one_request(world, random, policies):
    """A request, all that happens to its attempts, and the time after which it must be over."""
    mesh = Told(world, policies, endpoints=4)
    client = await mesh.ask()
    there = True
    for _ in range(random.randrange(4, 24)):
        there = await happen(mesh, world, client, random) if there else False
    for _ in range(8):
        world.advance(0.5)
        await mesh.look()
    client.close()
    await mesh.look()
    await mesh.over()


@pytest.mark.usefixtures("collector_off")
@pytest.mark.parametrize("limits", [{}, {"connectionPool": {"maxConnections": 2}}], ids=["", "few connections"])
@pytest.mark.parametrize("seed", range(5))
async def test_attempts_that_meet_anything_leave_nothing_behind(world, seed, limits):
    world.reopen(observer=None)
    before = heavy()

    for each in range(20):
        await one_request(world, Random(f"{seed} {each}"), {**POLICIES, **limits})

    assert [type(thing).__name__ for key, thing in heavy().items() if key not in before] == []
