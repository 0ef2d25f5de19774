"""Hedging on real sockets: who is sent what when, who wins, and that nothing of the loser is left."""

import pytest

from nodeproxy.policies.table import PolicyRefused, settings_of

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
POST = GET.replace(b"GET", b"POST")
PUT = b"PUT / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 3\r\n\r\nabc"
HEDGED = {"hedging": {"delay": "100ms"}}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


def answer(text, status=b"200 OK"):
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(text), text)


class Mesh:
    """A service with hedging; collects the connections at which a request has arrived, in order."""

    def __init__(self, world, policies=None, endpoints=2):
        self.world = world
        self.endpoints = [world.endpoint() for _ in range(endpoints)]
        self.arrived = []
        world.serve(*self.endpoints, policies={"retries": {"attempts": 0}, **(policies or HEDGED)})

    async def ask(self, request=GET):
        self.client = await self.world.client()
        await self.client.send(request)
        await self.look()
        return self.client

    async def look(self):
        """Let what can happen happen; returns how many requests have arrived in all."""
        await self.world.settle()
        for endpoint in self.endpoints:
            while (server := endpoint.waiting()) is not None:
                server.endpoint = endpoint
                if await self.read(server):
                    self.arrived.append(server)
        await self.world.settle()
        return len(self.arrived)

    async def read(self, server):
        return await server.head()

    async def late(self, seconds=0.11):
        self.world.advance(seconds)
        return await self.look()

    @property
    def counted(self):
        return {key[1]: number for key, number in self.world.route.stats.decisions.items() if key[0] == "hedging"}

    async def over(self):
        """Check that nothing is under way: no attempt, no child task, no claim on the budget, no open connection."""
        await self.look()
        route = self.world.route
        cluster = self.world.clusters.get(route.name)
        assert [endpoint.active for endpoint in cluster.endpoints] == [0] * len(self.endpoints)
        assert not any(task.has_children for task in self.world.connections.open.values())
        load = route.states["retryBudget"].load
        assert (load.active, load.extra, load.retrying) == (0, 0, 0)
        return sum(endpoint.pool.idle_count for endpoint in cluster.endpoints)


async def gone(server):
    """Whether its peer has closed the connection."""
    try:
        return await server.channel.recv() == b""
    except Exception:
        return True


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
        ({"delay": "1s", "methods": ["POST"]}, "hedging.methods.0: input should be 'GET'"),
        ({"percentile": 100}, "hedging.percentile: input should be less than or equal to 99.9"),
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
