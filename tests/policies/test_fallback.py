"""`fallback`: what a client gets in place of a failure."""

import pytest
from hypothesis import given
from hypothesis.strategies import sampled_from, sets

from nodeproxy.errors import (
    AttemptTimedOut,
    BadRequest,
    BadResponse,
    ClientGone,
    ConnectFailed,
    ConnectionLost,
    ConnectionPoolFull,
    DeadlinePassed,
    EndpointsUnknown,
    NoEndpoints,
    RateLimited,
    ResponseHeadersTooLarge,
)
from nodeproxy.exchange.body import WholeBody
from nodeproxy.exchange.exchange import Place, Tools
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.policies.fallback import POLICY, FallbackSettings
from nodeproxy.policies.table import PolicyRefused, settings_of
from nodeproxy.protocol.errors_as_responses import error_response
from tests.fakes.exchanges import STARTED, Pieces, PolicyWorld, Replies, exchange, lane_of, run
from tests.fakes.tables import Mesh, web

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
EMPTY_LIST = {"response": {"contentType": "application/json", "body": "[]", "headers": {"Cache-Control": "no-store"}}}
OTHER = {"service": {"name": "web-static"}}
ALL = (
    "no-endpoints", "circuit-open", "overloaded", "rate-limited", "timeout", "connect-failure", "reset",
    "bad-response", "gateway-error", "5xx",
)  # fmt: skip


class Failing:
    """A service that fails, and what is called in its place."""

    def __init__(self, *script, other=(200,), shadow=False, **written):
        self.world = PolicyWorld()
        tools = self.world.shadow("fallback") if shadow else self.world.tools
        self.endpoint = Replies(*script)
        self.other = Replies(*other)
        self.places = []
        tools = Tools(tools.now, tools.random, tools.sleep, tools.stats, tools.decisions, elsewhere=self._elsewhere)
        settings = FallbackSettings.model_validate(written)
        self.handler = POLICY.wrap(settings, self.endpoint, tools)

    def _elsewhere(self, place):
        self.places.append(place)
        return self.other

    def ask(self, one=None):
        return run(self.handler(one or exchange()))

    @property
    def decisions(self):
        return {key[1]: number for key, number in self.world.stats.decisions.items()}


@pytest.mark.parametrize(
    ("error", "condition"),
    [
        (NoEndpoints(), "no-endpoints"),
        (EndpointsUnknown(), "no-endpoints"),
        (ConnectionPoolFull(), "overloaded"),
        (DeadlinePassed(), "timeout"),
        (AttemptTimedOut(), "timeout"),
        (ConnectFailed(), "connect-failure"),
        (ConnectionLost(), "reset"),
        (BadResponse(), "bad-response"),
        (ResponseHeadersTooLarge(), "bad-response"),
    ],
)
def test_an_error_of_a_condition_is_replaced_and_one_of_no_condition_is_not(error, condition):
    replaced = Failing(error, on=(condition,), **EMPTY_LIST)
    others = Failing(error, on=tuple(each for each in ALL if each != condition), **EMPTY_LIST)

    response = replaced.ask()

    assert (response.status, response.first, response.reason) == (200, b"[]", error.reason)
    assert replaced.decisions == {condition: 1}
    with pytest.raises(type(error)):
        others.ask()
    assert others.decisions == {}


@pytest.mark.parametrize(
    ("status", "on", "condition"),
    [
        (500, ("5xx",), "5xx"),
        (599, ("5xx",), "5xx"),
        (503, ("gateway-error",), "gateway-error"),
        (503, ("5xx", "gateway-error"), "gateway-error"),
        (500, ("gateway-error",), None),
        (404, ALL, None),
        (429, ALL, None),
        (200, ALL, None),
    ],
)
def test_a_status_of_an_endpoint_is_replaced_where_it_is_asked_for(status, on, condition):
    failing = Failing(status, on=on, **EMPTY_LIST)

    response = failing.ask()

    assert (response.status, response.reason) == ((200, condition) if condition else (status, ""))
    assert failing.endpoint.responses[0].body.abandoned == bool(condition)
    assert failing.decisions == ({condition: 1} if condition else {})


def test_an_answer_of_another_policy_is_replaced_by_its_reason():
    failing = Failing(200, on=("rate-limited",), **EMPTY_LIST)

    async def limits(_exchange):
        return error_response(RateLimited("too many"), 9)

    failing.handler._inner = limits
    response = failing.ask()

    assert (response.status, response.reason) == (200, "rate-limited")
    assert response.fields.get(b"retry-after") is None


FAILURES = {
    "no-endpoints": NoEndpoints(), "timeout": DeadlinePassed(), "connect-failure": ConnectFailed(),
    "reset": ConnectionLost(), "bad-response": BadResponse(), "gateway-error": 502, "5xx": 500,
}  # fmt: skip


@given(
    failure=sampled_from(sorted(FAILURES)),
    on=sets(sampled_from(ALL), min_size=1),
    other=sampled_from([200, 404, 500, ConnectionLost(), NoEndpoints()]),
)
def test_another_service_is_asked_at_most_once_and_only_for_the_conditions_asked_for(failure, on, other):
    failing, error = Failing(FAILURES[failure], other=(other,), on=tuple(on), **OTHER), None

    try:
        status = failing.ask().status
    except Exception as raised:
        status, error = None, raised

    asked = failure in on or (failure == "gateway-error" and "5xx" in on)
    assert failing.other.calls == asked
    if asked and isinstance(other, int):
        assert status == other
    else:
        assert FAILURES[failure] in (status, error)


@pytest.mark.parametrize("error", [ClientGone(), BadRequest()], ids=str)
def test_the_clients_own_failure_is_not_replaced(error):
    with pytest.raises(type(error)):
        Failing(error, on=ALL, **EMPTY_LIST).ask()


def test_a_fixed_response_is_as_written_and_says_why_it_is_there():
    response = Failing(NoEndpoints(), **EMPTY_LIST).ask()

    assert response.fields.block() == (
        b"Content-Type: application/json\r\nContent-Length: 2\r\nCache-Control: no-store\r\n"
        b"x-mesh-fallback: no-endpoints\r\n"
    )
    assert response.length == 2


def test_another_service_is_asked_with_time_of_its_own():
    failing, one = Failing(DeadlinePassed(), service={"name": "web-static", "timeout": "2s"}), exchange()
    one.scope.until = STARTED - 1

    response = failing.ask(one)

    assert failing.places == [Place("web-static", None, None)]
    assert failing.other.deadlines == [STARTED + 2]
    assert (response.status, response.reason) == (200, "timeout")
    assert response.fields.get(b"x-mesh-fallback") == b"timeout"
    assert lane_of(one).deadline == float("inf")  # what comes behind the head has no limit of this policy


def test_another_service_gets_the_whole_body_again():
    failing, one = Failing(ConnectionLost(), **OTHER), exchange(b"PUT", WholeBody(b"1234"))
    one.deliveries = 1

    failing.ask(one)

    assert failing.endpoint.bodies == failing.other.bodies == [b"1234"]


def test_a_body_of_which_a_part_is_lost_is_not_sent_to_another_service():
    failing, one = Failing(ConnectionLost(), **OTHER), exchange(b"PUT", Pieces(b"1234"))
    one.deliveries = 1

    with pytest.raises(ConnectionLost):
        failing.ask(one)

    assert (failing.other.calls, failing.decisions) == (0, {"not-resendable": 1})


def test_a_body_of_which_nothing_was_sent_is_sent_to_another_service():
    failing, one = Failing(ConnectFailed(), **OTHER), exchange(b"PUT", Pieces(b"1234"))

    async def refuses(_exchange):
        raise ConnectFailed

    failing.handler._inner = refuses

    assert failing.ask(one).status == 200
    assert failing.other.bodies == [b"1234"]


def test_what_the_other_service_answers_is_final():
    failing = Failing(503, other=(500,), on=("5xx",), **OTHER)

    assert failing.ask().status == 500
    assert (failing.endpoint.calls, failing.other.calls) == (1, 1)


@pytest.mark.parametrize("error", [NoEndpoints(), DeadlinePassed(), ConnectFailed()], ids=str)
def test_where_the_other_service_fails_too_the_client_gets_the_first_failure(error):
    failing, after = (
        Failing(ConnectionLost("first"), other=(error,), **OTHER),
        Failing(502, other=(error,), on=ALL, **OTHER),
    )
    one = exchange()

    with pytest.raises(ConnectionLost, match="first"):
        failing.ask()
    response = after.ask(one)

    assert (response.status, response.reason, response.body.abandoned) == (502, "", False)
    assert failing.decisions == after.decisions == {"failed": 1}
    assert one.scope.until == float("inf")


def test_a_client_that_goes_meanwhile_has_gone():
    with pytest.raises(ClientGone):
        Failing(NoEndpoints(), other=(ClientGone(),), **OTHER).ask()


@pytest.mark.parametrize("written", [EMPTY_LIST, OTHER])
def test_in_shadow_mode_the_failure_goes_on_and_is_counted(written):
    failing, one = Failing(ConnectionLost(), shadow=True, **written), exchange()

    with pytest.raises(ConnectionLost):
        failing.ask(one)

    assert one.shadowed == ("fallback:reset",)
    assert (failing.other.calls, failing.decisions) == (0, {"reset": 1})


def test_it_stands_outside_of_the_policies_that_refuse():
    policies = {"rateLimit": {"requestsPerSecond": 0.5}, "fallback": {"on": ["rate-limited"], **EMPTY_LIST}}
    mesh = Mesh(Replace((web(policies=policies),)))
    handler = mesh.match(b"web.shop.mesh").handler

    responses = [run(handler(exchange())) for _ in range(2)]

    assert [(each.status, each.reason) for each in responses] == [(200, ""), (200, "rate-limited")]


def test_a_change_of_endpoints_leaves_it():
    policies = {"fallback": EMPTY_LIST}
    mesh = Mesh(Replace((web(policies=policies),)))
    handler = mesh.match(b"web.shop.mesh").handler

    mesh.live.install(Put(web(Endpoint("10.0.0.9", 80), policies=policies)))

    assert mesh.match(b"web.shop.mesh").handler is handler


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({}, "fallback: exactly one of response and service is set"),
        ({**EMPTY_LIST, **OTHER}, "fallback: exactly one of response and service is set"),
        ({"on": [], **OTHER}, r"^fallback\.on: the list should have at least 1 item, not 0, got \[\]$"),
        ({"on": ["errors"], **OTHER}, r"^fallback\.on\[0\]: expected one of no-endpoints, .*, got 'errors'$"),
        (
            {"response": {"headers": {"Content-Length": "3"}}},
            r"fallback\.response\.headers: Content-Length is written by",
        ),
        ({"response": {"headers": {"a b": "3"}}}, r"fallback\.response\.headers: a b is not a field name"),
        (
            {"response": {"headers": {"a": "3\r\nb: 4"}}},
            r"fallback\.response\.headers: the value of a has a control byte",
        ),
        ({"response": {"headers": {"Content-Type": "a"}}}, r"fallback\.response\.headers: Content-Type is written by"),
        ({"response": {"status": 204, "body": "x"}}, r"fallback\.response: a response with status 204 has no body"),
        ({"response": {"status": 101}}, r"^fallback\.response\.status: expected at least 200, got 101$"),
        (
            {"service": {"name": "Web"}},
            r"^fallback\.service\.name: expected a name of lower-case letters, digits and dashes, got 'Web'$",
        ),
    ],
)
def test_what_cannot_be_a_fallback_is_refused(written, told):
    with pytest.raises(PolicyRefused, match=told):
        settings_of({"fallback": written})


def service(name, *servers, policies=None):
    endpoints = tuple(Endpoint("127.0.0.1", server.port) for server in servers)
    return Service("shop", name, "", (Port(80, "http", "http", endpoints),), policies or {})


async def test_a_client_is_answered_by_another_service_which_is_looked_up_when_the_request_comes(world):
    other = world.endpoint()
    world.install(Replace((service("web", policies={"fallback": OTHER}),)))
    client = await world.client()
    await client.send(GET)
    assert b"x-mesh-error: no-endpoints\r\n" in await client.head()
    await client.until(b"nodeproxy why no-endpoints)\n")

    world.install(Put(service("web-static", other)))
    await client.send(GET)
    peer = await other.accept()
    assert (await peer.head()).startswith(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n")
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Mesh-Fallback: mine\r\n\r\npage")
    head = await client.head()

    assert head.startswith(b"HTTP/1.1 200 ") and head.lower().count(b"x-mesh-fallback: ") == 1
    assert b"x-mesh-fallback: no-endpoints\r\n" in head
    assert await client.exactly(4) == b"page"
    assert [line[2:4] for line in world.log] == [(503, "no-endpoints"), (200, "no-endpoints")]
    route = world.live.table.at("shop/web", "80")
    assert route.stats.decisions == {("fallback", "failed", "enforce"): 1, ("fallback", "no-endpoints", "enforce"): 1}


async def test_a_request_that_timed_out_is_answered_and_its_connection_goes_on(world):
    slow = world.endpoint()
    policies = {"fallback": EMPTY_LIST, "timeouts": {"responseHead": "1s"}}
    world.install(Replace((service("web", slow, policies=policies),)))
    client = await world.client()
    await client.send(GET)
    peer = await slow.accept()
    await peer.head()

    world.advance(1.5)
    head = await client.head()

    assert head.startswith(b"HTTP/1.1 200 ") and b"x-mesh-fallback: timeout\r\n" in head
    assert await client.exactly(2) == b"[]"
    assert world.log[-1][2:4] == (200, "timeout")
    await client.send(GET)
    assert (await (await slow.accept()).head()).startswith(b"GET / ")


async def test_a_request_that_timed_out_is_sent_to_another_service_in_time_of_its_own(world):
    slow, other = world.endpoint(), world.endpoint()
    policies = {"fallback": {"service": {"name": "web-static", "timeout": "2s"}}, "timeouts": {"responseHead": "1s"}}
    world.install(Replace((service("web", slow, policies=policies), service("web-static", other))))
    client = await world.client()
    await client.send(GET)
    await (await slow.accept()).head()
    world.advance(1.5)
    peer = await other.accept()
    await peer.head()

    world.advance(1.5)
    await world.settle()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
    await client.head()
    world.advance(60)
    await peer.send(b"page")

    assert await client.exactly(4) == b"page"
