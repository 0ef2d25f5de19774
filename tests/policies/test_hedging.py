"""Hedging on real sockets: who is sent what when, who wins, and that nothing of the loser is left."""

import pytest

from tests.fakes.hedged import GET, HEDGED, OK, Mesh, answer, gone


async def test_a_quick_answer_has_no_second_attempt(world):
    mesh = Mesh(world)
    client = await mesh.ask()
    await mesh.late(0.09)
    await mesh.arrived[0].send(answer(b"first"))
    await client.until(b"first")

    assert await mesh.late(5) == 1
    assert mesh.counted == {} and await mesh.over() == 1


async def test_after_the_delay_a_second_endpoint_is_asked_and_the_first_head_wins(world):
    mesh = Mesh(world)
    client = await mesh.ask()

    assert await mesh.late() == 2
    first, second = mesh.arrived
    assert first.endpoint is not second.endpoint
    await second.send(answer(b"hedge"))
    await client.until(b"hedge")

    assert await gone(first)
    assert mesh.counted == {"hedged": 1, "won": 1} and await mesh.over() == 1
    assert world.log[-1][0].tries == 2
    assert world.log[-1][0].endpoint_name == f"127.0.0.1:{second.endpoint.port}"
    assert sorted(outcome for _, outcome in world.attempts if isinstance(outcome, str)) == ["cancelled"]


async def test_the_first_attempt_may_still_win(world):
    mesh = Mesh(world)
    client = await mesh.ask()
    await mesh.late()
    first, second = mesh.arrived

    await first.send(answer(b"first"))
    await client.until(b"first")

    assert await gone(second)
    assert mesh.counted == {"hedged": 1} and await mesh.over() == 1
    assert world.log[-1][0].endpoint_name == f"127.0.0.1:{first.endpoint.port}"
    assert world.log[-1][0].tries == 2


async def test_both_heads_in_one_turn_are_one_answer(world):
    mesh = Mesh(world)
    client = await mesh.ask()
    await mesh.late()

    for server in mesh.arrived:
        await server.send(answer(b"whole"))
    await client.until(b"whole")
    await world.settle()

    assert not client.received and not client.channel.readable
    assert await mesh.over() <= 2
    await client.send(GET)
    await mesh.look()


@pytest.mark.parametrize("winner", [0, 1])
@pytest.mark.parametrize("failure", ["reset", "500", "malformed"])
async def test_a_failure_does_not_win_while_another_attempt_is_under_way(world, failure, winner):
    mesh = Mesh(world)
    client = await mesh.ask()
    await mesh.late()
    loser = mesh.arrived[1 - winner]

    if failure == "reset":
        loser.reset()
    else:
        await loser.send(answer(b"sorry", b"500 No") if failure == "500" else b"SMTP 220\r\n\r\n")
    await world.settle()
    assert not client.channel.readable
    await mesh.arrived[winner].send(answer(b"fine!"))

    assert (await client.head()).startswith(b"HTTP/1.1 200 ")
    await client.until(b"fine!")
    await mesh.over()


@pytest.mark.parametrize("last", [0, 1])
async def test_when_all_fail_there_is_one_failure_and_a_response_is_better_than_none(world, last):
    mesh = Mesh(world)
    client = await mesh.ask()
    await mesh.late()

    await mesh.arrived[1 - last].send(answer(b"sorry", b"500 No"))
    await world.settle()
    mesh.arrived[last].reset()

    assert (await client.head()).startswith(b"HTTP/1.1 500 ")
    await client.until(b"sorry")
    await mesh.over()


async def test_of_two_failures_the_first_attempts_is_the_answer(world):
    mesh = Mesh(world)
    client = await mesh.ask()
    await mesh.late()

    await mesh.arrived[1].send(answer(b"hedge", b"503 No"))
    await world.settle()
    await mesh.arrived[0].send(answer(b"first", b"500 No"))

    assert (await client.head()).startswith(b"HTTP/1.1 500 ")
    await mesh.over()


async def test_retries_begin_when_all_attempts_of_a_try_have_failed(world):
    mesh = Mesh(world, {**HEDGED, "retries": {"attempts": 1}}, endpoints=3)
    client = await mesh.ask()
    await mesh.late()

    for server in list(mesh.arrived):
        server.reset()
    assert await mesh.look() == 3
    assert len({server.endpoint for server in mesh.arrived}) == 3
    await mesh.arrived[2].send(answer(b"third"))

    await client.until(b"third")
    await mesh.over()
    assert world.log[-1][0].tries == 3


async def test_a_client_that_goes_closes_all_attempts(world):
    mesh = Mesh(world)
    client = await mesh.ask()
    await mesh.late()

    client.reset()
    await world.settle()

    assert await gone(mesh.arrived[0]) and await gone(mesh.arrived[1])
    assert await mesh.over() == 0


async def test_a_cancelled_connection_closes_all_attempts(world):
    mesh = Mesh(world)
    await mesh.ask()
    await mesh.late()

    for task in list(world.connections.open.values()):
        task.cancel()
    await world.settle()

    assert await gone(mesh.arrived[0]) and await gone(mesh.arrived[1])
    assert await mesh.over() == 0


@pytest.mark.parametrize("first_fails", [False, True])
async def test_the_requests_own_deadline_ends_all_attempts(world, first_fails):
    mesh = Mesh(world, {**HEDGED, "timeouts": {"request": "2s"}})
    client = await mesh.ask()
    await mesh.late()
    if first_fails:
        mesh.arrived[0].reset()
        await world.settle()

    world.advance(2)
    await world.settle()

    assert b"x-mesh-error: timeout\r\n" in await client.head()
    assert await gone(mesh.arrived[1])
    assert await mesh.over() == 0


async def test_each_attempt_has_its_own_limit(world):
    mesh = Mesh(world, {**HEDGED, "timeouts": {"backendRequest": "1s"}})
    client = await mesh.ask()
    await mesh.late(0.5)
    await mesh.late(0.6)  # the first one's is over, the second one's is not

    await mesh.arrived[1].send(answer(b"hedge"))
    await client.until(b"hedge")

    assert await gone(mesh.arrived[0])
    await mesh.over()


async def test_what_comes_behind_a_winning_head_is_not_bounded_by_the_losers_limit(world):
    mesh = Mesh(world, {**HEDGED, "timeouts": {"backendRequest": "1s"}})
    client = await mesh.ask()
    await mesh.late(0.5)
    await mesh.arrived[1].send(OK)
    await client.head()

    world.advance(10)
    await world.settle()
    await mesh.arrived[1].send(b"hedge")

    assert await client.until(b"hedge") == b"hedge"
    await mesh.over()


async def test_an_endpoint_that_a_hedge_has_overtaken_is_avoided(world):
    mesh = Mesh(world)
    client = await mesh.ask()
    await mesh.late()
    slow, quick = mesh.arrived
    await quick.send(answer(b"hedge"))
    await client.until(b"hedge")

    for _ in range(6):
        await client.send(GET)
        await quick.head()  # none of them arrives at the slow one
        await quick.send(answer(b"again"))
        await client.until(b"again")

    assert await gone(slow) and mesh.counted == {"hedged": 1, "won": 1}


async def test_a_failure_that_waits_for_a_hedge_is_not_bound_by_the_limit_of_its_attempt(world):
    mesh = Mesh(world, {**HEDGED, "timeouts": {"backendRequest": "1s"}})
    client = await mesh.ask()
    assert await mesh.late(0.9) == 2
    first, second = mesh.arrived
    await first.send(answer(b"no", b"503 Busy"))
    await world.settle()

    await mesh.late(0.2)
    await second.send(answer(b"hello"))

    assert (await client.until(b"hello")).startswith(b"HTTP/1.1 200 ")
