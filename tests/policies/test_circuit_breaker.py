"""`circuitBreaker` around requests: what counts, what a client reads, what survives."""

import pytest

from nodeproxy.errors import (
    BadResponse,
    BodyTimeout,
    ClientGone,
    ConnectFailed,
    ConnectionLost,
    DeadlinePassed,
    NoEndpoints,
)
from nodeproxy.mesh.model import Endpoint
from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.policies.circuit_breaker import POLICY, CircuitBreakerSettings
from nodeproxy.policies.table import PolicyRefused, settings_of
from nodeproxy.protocol.errors_as_responses import error_response
from tests.fakes.exchanges import Pieces, PolicyWorld, Replies, exchange, run
from tests.fakes.tables import Mesh, web

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
SOON = {"minimumRequests": 2}


class Broken:
    """A service behind a breaker that opens with the second result."""

    def __init__(self, *script, taking_s=0.0, shadow=False, **written):
        self.world = PolicyWorld()
        tools = self.world.shadow("circuitBreaker") if shadow else self.world.tools
        settings = CircuitBreakerSettings.model_validate({**SOON, **written})
        self.circuit = POLICY.state(settings, None, tools)
        self.endpoint = Replies(*script, taking_s=taking_s, world=self.world)
        self.handler = POLICY.wrap(settings, self.endpoint, tools, self.circuit)

    def ask(self, one=None):
        """The status of a response, or the class of an error."""
        try:
            return run(self.handler(one or exchange())).status
        except Exception as error:
            return type(error)

    def state(self):
        return POLICY.numbers(self.circuit)["state"]


@pytest.mark.parametrize(
    "reply", [500, 503, 599, ConnectFailed(), ConnectionLost(), BadResponse(), DeadlinePassed()], ids=str
)
def test_a_failure_of_endpoints_counts(reply):
    broken = Broken(reply)

    broken.ask(), broken.ask()

    assert broken.state() == 1
    assert (broken.ask(), broken.endpoint.calls) == (503, 2)


@pytest.mark.parametrize("reply", [200, 404, 429, NoEndpoints(), ClientGone(), BodyTimeout()], ids=str)
def test_what_is_no_failure_of_endpoints_does_not_open_it(reply):
    broken = Broken(reply)

    for _ in range(10):
        broken.ask()

    assert (broken.state(), broken.endpoint.calls) == (0, 10)


def test_an_answer_of_another_policy_says_nothing_about_the_service():
    broken = Broken(200)

    async def refuses(_exchange):
        return error_response(NoEndpoints("as a policy inside does"))

    broken.handler._inner = refuses

    assert [broken.ask() for _ in range(9)] == [503] * 9
    assert broken.state() == 0


def test_a_probe_that_another_policy_answers_makes_room_for_the_next():
    broken = Broken(500, 500, 200, halfOpenRequests=1, openDuration="30s")
    broken.ask(), broken.ask()
    broken.world.now += 30
    service = broken.handler._inner

    async def refuses(_exchange):
        return error_response(NoEndpoints("as a policy inside does"))

    broken.handler._inner = refuses
    broken.ask()
    broken.handler._inner = service

    assert (broken.ask(), broken.state()) == (200, 0)


def test_a_slow_success_counts_where_it_is_asked_for():
    slow = {"slowRatio": 0.5, "slowerThan": "1s"}
    at_once, slowly, unasked = (
        Broken(200, taking_s=1.0, **slow),
        Broken(200, taking_s=1.1, **slow),
        Broken(200, taking_s=9),
    )

    for each in (at_once, slowly, unasked):
        each.ask(), each.ask()

    assert [each.state() for each in (at_once, slowly, unasked)] == [0, 1, 0]


def test_a_client_that_sends_its_body_slowly_is_not_a_slow_service():
    broken = Broken(200, taking_s=9.0, slowRatio=0.5, slowerThan="1s")

    for _ in range(9):
        broken.ask(exchange(b"PUT", Pieces(b"slow")))

    assert broken.state() == 0


def test_an_open_circuit_says_when_to_come_again():
    broken = Broken(500)
    broken.ask(), broken.ask()
    broken.world.now += 0.5

    response = run(broken.handler(exchange()))

    assert (response.status, response.reason, response.fields.get(b"retry-after")) == (503, "circuit-open", b"30")
    assert b"circuitBreaker" in response.first


def test_its_decisions_are_counted():
    broken = Broken(500, 500, 200)
    broken.ask(), broken.ask(), broken.ask()
    broken.world.now += 30

    assert [broken.ask() for _ in range(4)] == [200] * 4
    assert {key[1]: number for key, number in broken.world.stats.decisions.items()} == {
        "opened": 1, "rejected": 1, "probed": 3, "closed": 1,
    }  # fmt: skip
    assert {key[1] for key in broken.world.stats.decisions} == set(POLICY.outcomes)


def test_in_shadow_mode_all_is_sent_and_what_would_have_been_rejected_is_counted():
    broken, one = Broken(500, shadow=True), exchange()
    broken.ask(), broken.ask()

    assert broken.ask(one) == 500
    assert one.shadowed == ("circuitBreaker:rejected",)
    assert broken.world.stats.decisions[("circuitBreaker", "rejected", "shadow")] == 1
    assert (broken.state(), broken.endpoint.calls) == (1, 3)


def test_no_change_of_endpoints_or_settings_closes_it():
    policies = {"circuitBreaker": SOON, "retries": {"attempts": 0}}
    mesh = Mesh(Replace((web(policies=policies),)))
    circuit = mesh.match(b"web.shop.mesh").states["circuitBreaker"]
    for _ in range(2):
        circuit.record(circuit.admit(mesh.world.now), mesh.world.now, True, False)

    mesh.live.install(Put(web(Endpoint("10.0.0.9", 80), policies=policies)))
    assert run(mesh.match(b"web.shop.mesh").handler(exchange())).reason == "circuit-open"
    mesh.live.install(Put(web(policies={**policies, "circuitBreaker": {"minimumRequests": 9}})))

    assert run(mesh.match(b"web.shop.mesh").handler(exchange())).reason == "circuit-open"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"slowRatio": 0.5}, "circuitBreaker: slowRatio and slowerThan are set together"),
        ({"slowerThan": "1s"}, "circuitBreaker: slowRatio and slowerThan are set together"),
        ({"failureRatio": 0}, r"circuitBreaker\.failureRatio: expected more than 0, got 0$"),
        ({"failureRatio": 50}, r"circuitBreaker\.failureRatio: expected at most 1, got 50$"),
        ({"maxOpenDuration": "1s"}, "circuitBreaker: maxOpenDuration is shorter than openDuration"),
    ],
)
def test_what_cannot_be_a_breaker_is_refused(written, told):
    with pytest.raises(PolicyRefused, match=told):
        settings_of({"circuitBreaker": written})


async def test_a_service_that_fails_is_left_alone_and_called_again_when_it_works(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"circuitBreaker": {**SOON, "halfOpenRequests": 1}, "retries": {"attempts": 0}})
    client = await world.client()
    await client.send(GET)
    peer = await endpoint.accept()

    async def answered(status):
        await peer.head()
        await peer.send(b"HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\n\r\n" % status)
        return (await client.head())[9:12]

    assert await answered(500) == b"500"
    await client.send(GET)
    assert await answered(500) == b"500"
    await client.send(GET)
    head = await client.head()
    assert head.startswith(b"HTTP/1.1 503 ") and b"Retry-After: 30\r\n" in head
    await client.until(b"nodeproxy why circuit-open)\n")
    world.advance(30)
    await client.send(GET)
    assert await answered(200) == b"200"

    assert POLICY.numbers(world.route.states["circuitBreaker"]) == {"state": 0, "openings": 1}
    assert [line[2:4] for line in world.log] == [(500, ""), (500, ""), (503, "circuit-open"), (200, "")]
