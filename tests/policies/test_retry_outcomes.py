"""What `retries` counts, what it says when it gives up, the wait that an endpoint asks for, and its shadow."""

from dataclasses import replace

import pytest

from nodeproxy.errors import ConnectFailed, ConnectionLost, DeadlinePassed, ProxyError
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.policies import retries
from nodeproxy.policies.budget import Budget, Load
from nodeproxy.policies.retries import POLICY, RetriesSettings
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.retry_after import retry_after_s
from tests.fakes.exchanges import STARTED, Pieces, PolicyWorld, Replies, exchange, run

ALL = {"retryOn": ("connect-failure", "reset", "timeout", "5xx", "gateway-error")}
NOW = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"


class Outcomes:
    """Sends exchanges through retries in front of an endpoint with a script."""

    def __init__(self, *script, mode="enforce", budget=None, fields=b"", **written):
        self.world = PolicyWorld()
        self.endpoint = Replies(*script)
        decisions = Decisions(self.world.stats.decisions, "retries", mode)
        states = {"retryBudget": budget or Budget(0, 99, 0.0, Load(), self.world.tools)}
        self.load = states["retryBudget"].load
        tools = replace(self.world.tools_of(decisions), states=states)
        settings = RetriesSettings.model_validate({"backoff": {"base": 0, "max": 0}, **ALL, **written})

        async def endpoint(exchange):
            response = await self.endpoint(exchange)
            response.fields = Fields(fields)
            return response

        self.handler = retries.wrap(settings, endpoint, tools)

    def send(self, one=None):
        try:
            return run(self.handler(one or exchange()))
        except ProxyError as error:
            return error

    @property
    def counted(self):
        return {outcome: number for (_, outcome, _), number in self.world.stats.decisions.items()}


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (ConnectFailed(), "retried-connect-failure"),
        (ConnectionLost(), "retried-reset"),
        (DeadlinePassed(), "retried-timeout"),
        (503, "retried-gateway-error"),
        (500, "retried-5xx"),
    ],
)
def test_a_retry_is_counted_by_its_condition(failure, outcome):
    sent = Outcomes(failure, 200)

    sent.send()

    assert sent.counted == {outcome: 1} and outcome in POLICY.outcomes


def test_a_request_whose_tries_are_used_up_says_so():
    sent, one = Outcomes(500, attempts=1), exchange()

    assert sent.send(one).status == 500

    assert sent.counted == {"retried-5xx": 1, "exhausted": 1}
    assert one.not_retried == "exhausted"


@pytest.mark.parametrize("failure", [ConnectionLost("gone"), 503])
def test_beyond_the_budget_the_failure_goes_to_the_client_with_the_reason(failure):
    budget, one = Budget(0, 0, 0.0, Load(), PolicyWorld().tools), exchange()
    sent = Outcomes(failure, 200, budget=budget)

    answer = sent.send(one)

    assert sent.endpoint.calls == 1 and sent.counted == {"over-budget": 1}
    assert one.not_retried == "over-budget"
    assert answer.status == 503 or str(answer) == "gone; not sent again: the retryBudget of the service is used up"


@pytest.mark.parametrize("script", [(200,), (500, 200), (500, 500, 200), (500,), (ConnectionLost(),), (404,)])
@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_whatever_the_end_the_budget_is_given_back(script, attempts):
    sent = Outcomes(*script, attempts=attempts)

    sent.send()

    assert (sent.load.active, sent.load.retrying, sent.load.extra) == (0, 0, 0)


def test_a_retry_that_cannot_be_made_takes_nothing_from_the_budget():
    sent = Outcomes(500)

    sent.send(exchange(b"PUT", Pieces(bytes(70_000))))

    assert sent.counted == {"not-repeatable": 1} and sent.load.extra == sent.load.retrying == 0


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        (b"Retry-After: 7\r\n", 7),
        (b"Retry-After: 0\r\n", 0),
        (NOW + b"Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n", 30),
        (NOW + b"Retry-After: Sun, 06 Nov 1994 08:49:07 GMT\r\n", 0),
        (b"Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n", None),
        (b"Retry-After: -7\r\n", None),
        (b"Retry-After: soon\r\n", None),
        (b"Retry-After: 7\r\nRetry-After: 8\r\n", None),
        (b"Retry-After: 99999999999999999999\r\n", None),
        (NOW + b"Retry-After: Sun, 06 Nov 99999999999999999999 08:49:37 GMT\r\n", None),
        (NOW + b"Retry-After: Sun, 06 Nov 1994 08:49:37 +99999999999\r\n", None),
        (b"Date: Sun, 06 Nov 1994 99999999999:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n", None),
        (b"", None),
    ],
)
def test_the_wait_that_an_endpoint_asks_for(fields, seconds):
    assert retry_after_s(Fields(fields)) == seconds


def limited(most="300s"):
    return {"rateLimitedBackoff": {"maxInterval": most}, "fields": b"Retry-After: 7\r\n"}


def test_a_retry_waits_as_long_as_the_endpoint_asks():
    sent = Outcomes(503, 200, **limited())

    assert sent.send().status == 200
    assert sent.world.slept == [7]


def test_without_being_told_to_it_does_not_look():
    sent = Outcomes(503, 200, fields=b"Retry-After: 7\r\n")

    assert sent.send().status == 200
    assert sent.world.slept == [0]


def test_a_wait_beyond_the_bound_goes_to_the_client():
    sent = Outcomes(503, 200, **limited("6s"))

    assert sent.send().status == 503
    assert sent.counted == {"retry-after": 1} and sent.world.slept == []


@pytest.mark.parametrize(("until_s", "idle_s", "status"), [(8, 300, 200), (7, 300, 503), (100, 7, 503), (100, 8, 200)])
def test_a_wait_beyond_the_requests_own_time_goes_to_the_client_at_once(until_s, idle_s, status):
    sent, one = Outcomes(503, 200, **limited()), exchange()
    one.scope.until, one.scope.idle_s = STARTED + until_s, idle_s

    assert sent.send(one).status == status
    assert sent.counted == ({"out-of-time": 1} if status == 503 else {"retried-gateway-error": 1})


@pytest.mark.parametrize("failure", [ConnectionLost(), 503])
def test_in_shadow_mode_nothing_is_sent_again_and_what_would_have_been_is_counted(failure):
    sent, one = Outcomes(failure, 200, mode="shadow"), exchange()

    answer = sent.send(one)

    assert sent.endpoint.calls == 1 and answer.status in (502, 503)
    assert one.shadowed == (("retries:retried-gateway-error",) if failure == 503 else ("retries:retried-reset",))
    assert one.deliveries_most == 2


def test_in_shadow_mode_a_streamed_body_stays_as_it_is():
    sent, body = Outcomes(500, mode="shadow"), Pieces(b"some")
    one = exchange(b"PUT", body)

    sent.send(one)

    assert one.body is body and sent.counted == {"not-repeatable": 1}


@pytest.mark.parametrize("name", ["cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"])
def test_the_conditions_of_grpc_are_accepted(name):
    assert Outcomes(200, retryOn=(name, "refused-stream")).send().status == 200


async def test_a_retried_response_is_followed_by_a_try_at_another_endpoint(world):
    endpoints = [world.endpoint() for _ in range(3)]
    world.serve(*endpoints, policies={"retries": {"retryOn": ["5xx"]}})
    client = await world.client()
    await client.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n")

    reached = set()
    while len(reached) < 3:
        await world.settle()
        for endpoint in endpoints:
            if (server := endpoint.waiting()) is not None:
                assert endpoint not in reached
                reached.add(endpoint)
                await server.head()
                await server.send(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")

    assert (await client.head()).startswith(b"HTTP/1.1 500 ")
