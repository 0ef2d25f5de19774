"""What is hedged and what is not, when, how often, and within which budget."""

import pytest

from nodeproxy.policies.table import PolicyRefused, settings_of
from tests.fakes.hedged import GET, HEDGED, POST, PUT, Mesh, answer, gone


@pytest.mark.parametrize(
    "request_", [POST, PUT, PUT[:-1], GET.replace(b"\r\n\r\n", b"\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")]
)
async def test_what_must_not_happen_twice_or_cannot_be_sent_twice_is_not_hedged(world, request_):
    mesh = Mesh(world)
    await mesh.ask(request_)

    assert await mesh.late() == 1


async def test_a_body_goes_to_both_where_its_method_is_named(world):
    mesh = Mesh(world, {"hedging": {"delay": "100ms", "methods": ["PUT"]}})
    client = await mesh.ask(PUT)
    await mesh.late()

    for server in mesh.arrived:
        assert await server.until(b"abc") == b"abc"
    await mesh.arrived[1].send(answer(b"hedge"))

    await client.until(b"hedge")


async def test_without_another_endpoint_there_is_no_hedge(world):
    mesh = Mesh(world, endpoints=1)
    client = await mesh.ask()

    assert await mesh.late() == 1
    assert mesh.counted == {"no-other-endpoint": 1}
    await mesh.arrived[0].send(answer(b"first"))
    await client.until(b"first")
    await mesh.over()


async def test_there_are_as_many_attempts_as_allowed_each_after_a_delay_and_at_an_endpoint_of_its_own(world):
    mesh = Mesh(world, {"hedging": {"delay": "100ms", "maxAttempts": 3}}, endpoints=5)
    client = await mesh.ask()

    assert [await mesh.late() for _ in range(5)] == [2, 3, 4, 4, 4]
    assert len({server.endpoint for server in mesh.arrived}) == 4
    await mesh.arrived[2].send(answer(b"third"))
    await client.until(b"third")

    assert all([await gone(server) for server in (mesh.arrived[0], mesh.arrived[1], mesh.arrived[3])])
    assert await mesh.over() == 1


async def test_the_budget_holds_for_hedges(world):
    mesh = Mesh(world, {**HEDGED, "retryBudget": {"percent": 20, "minRetryConcurrency": 1}}, endpoints=2)
    clients = [await mesh.ask() for _ in range(4)]

    assert await mesh.late() == 5
    assert mesh.counted == {"over-budget": 3}
    assert world.route.states["retryBudget"].load.extra == 1
    assert await mesh.late() == 5
    assert mesh.counted == {"over-budget": 3}
    for server in mesh.arrived:
        await server.send(answer(b"done!"))
    for client in clients:
        await client.until(b"done!")
    await mesh.over()


@pytest.mark.parametrize("retries", [{"attempts": 0}, {"attempts": 2}, {"attempts": 2, "mode": "shadow"}])
async def test_an_exchange_is_counted_once_for_the_budget(world, retries):
    mesh = Mesh(world, {**HEDGED, "retries": retries})

    client = await mesh.ask()

    assert world.route.states["retryBudget"].load.active == 1
    await mesh.arrived[0].send(answer(b"first"))
    await client.until(b"first")
    await mesh.over()


async def test_in_shadow_mode_there_is_no_second_attempt_and_a_slow_one_is_counted(world):
    mesh = Mesh(world, {"hedging": {"delay": "100ms", "mode": "shadow"}})
    for seconds in (0.05, 0.15):
        client = await mesh.ask()
        await mesh.late(seconds)
        await mesh.arrived[-1].send(answer(b"first"))
        await client.until(b"first")

    await mesh.over()
    assert [line[0].tries for line in world.log] == [1, 1]
    assert world.route.stats.decisions == {("hedging", "hedged", "shadow"): 1}


async def test_the_delay_is_that_of_the_latencies_once_they_are_known(world):
    mesh = Mesh(world, {"hedging": {"percentile": 90}})
    client = await mesh.ask()
    assert await mesh.late(3) == 1
    latencies = world.route.states["hedging"]
    for number in range(256):
        latencies.add(0.3 if number % 5 == 0 else 0.01)

    world.clients = [client, await mesh.ask()]
    assert await mesh.late(0.28) == 2
    assert await mesh.late(0.05) == 3


async def test_what_is_known_of_latencies_survives_an_update(world):
    mesh = Mesh(world, {"hedging": {"percentile": 90}})
    for _ in range(256):
        world.route.states["hedging"].add(0.2)

    world.serve(*mesh.endpoints, policies={"hedging": {"percentile": 99, "delay": "1ms"}})

    assert world.route.states["hedging"].quantile_s == pytest.approx(0.2, rel=0.06)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({}, "hedging: write delay, percentile or both"),
        ({"delay": "1s", "methods": ["PATCH"]}, r"^hedging\.methods\[0\]: expected one of GET, .*, got 'PATCH'$"),
        ({"percentile": 100}, r"^hedging\.percentile: expected at most 99\.9, got 100$"),
        ({"delay": "1s", "maxAttempts": 0}, "hedging.maxAttempts"),
        ({"delay": "1s", "maxAttempts": 4}, "hedging.maxAttempts"),
    ],
)
def test_what_cannot_be_hedging_is_refused(written, told):
    with pytest.raises(PolicyRefused, match=told):
        settings_of({"hedging": written})


async def test_a_hedge_that_was_refused_is_made_when_the_budget_has_room(world):
    mesh = Mesh(world, {**HEDGED, "retryBudget": {"percent": 0, "minRetryConcurrency": 1}})
    first, second = [await mesh.ask() for _ in range(2)]
    assert await mesh.late() == 3
    hedge = mesh.arrived[2]
    await hedge.send(answer(b"hedge"))
    await mesh.look()

    await mesh.late()
    await hedge.send(answer(b"hedge"))  # the second one may have come at the connection of the first
    for server in mesh.arrived:
        await server.send(answer(b"hedge"))
    for client in (first, second):
        await client.until(b"hedge")

    await mesh.over()
    assert sorted(line[0].tries for line in world.log) == [2, 2]
