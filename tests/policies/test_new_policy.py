"""Adding a policy is one file and one line: what such a file holds, and all that happens by itself."""

import pytest

from nodeproxy.errors import ProxyError
from nodeproxy.exchange.body import WholeBody
from nodeproxy.mesh.callers import Callers
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.policies import table
from nodeproxy.policies.block import Policy, PolicySettings
from nodeproxy.policies.chain import CHAIN
from nodeproxy.policies.registry import Registry
from nodeproxy.protocol.errors_as_responses import error_response
from nodeproxy.protocol.fields import FieldRefused
from nodeproxy.table import builder as live
from nodeproxy.table import makers
from nodeproxy.telemetry.stats import RouteStats
from tests.fakes.exchanges import Pieces, PolicyWorld, Replies, exchange, run


class ConcurrencySettings(PolicySettings):
    """At most `most` exchanges at once; 0 means no limit."""

    most: int = 0


class TooBusy(ProxyError):
    """More at once than the service wants."""

    status = 503
    reason = "too-busy"


class Concurrency:
    """Refuses what is more than the service wants at once."""

    def __init__(self, settings, inner):
        self._free = settings.most
        self._inner = inner

    async def __call__(self, exchange):
        if not self._free:
            raise TooBusy
        self._free -= 1
        try:
            return await self._inner(exchange)
        finally:
            self._free += 1


def wrap(settings, inner, _tools, _state):
    return Concurrency(settings, inner) if settings.most else inner


POLICY = Policy("concurrency", ConcurrencySettings, wrap)


ADDED = Registry.of((*CHAIN, POLICY))


def mesh(policies, endpoint, registry=ADDED):
    """A mesh of one service with `policies`, and its route."""
    world = PolicyWorld()
    mesh = live.Live(
        makers.Makers(
            lambda *_: endpoint, lambda *_: None, lambda *_: None, lambda _stats, decisions: world.tools_of(decisions)
        ),
        lambda: world.now,
        "shop",
        Callers(),
        registry=registry,
    )
    mesh.install(Replace((Service("shop", "web", ports=(Port(80),), policies=policies),)))
    return mesh, next(iter(mesh.table))


class Nested:
    """An endpoint that calls the same service again before it answers."""

    def __init__(self):
        self.route = None

    async def __call__(self, exchange):
        return await self.route.handler(exchange)


def test_a_service_that_asks_for_the_policy_has_it():
    endpoint = Nested()
    _, endpoint.route = mesh({"concurrency": {"most": 2}}, endpoint)

    with pytest.raises(TooBusy):
        run(endpoint.route.handler(exchange()))


@pytest.mark.parametrize("policies", [{}, {"concurrency": {}}])
def test_a_service_that_does_not_ask_for_it_pays_nothing(policies):
    off = {"timeouts": {"responseHead": 0, "idle": 0}, "retries": {"attempts": 0}}
    endpoint = Replies(200)

    _, route = mesh({**off, **policies}, endpoint)

    assert route.handler is endpoint


def test_it_stands_inside_the_policies_before_it():
    _, route = mesh({"concurrency": {"most": 1}, "timeouts": {"request": "2s"}}, Replies(200))
    one = exchange()

    assert run(route.handler(one)).status == 200
    assert one.scope.until == one.started + 2


def test_its_mistakes_are_told_like_all_others():
    with pytest.raises(table.PolicyRefused, match=r"^concurrency\.most: expected a valid integer, got 'two'$"):
        mesh({"concurrency": {"most": "two"}}, Replies(200))
    with pytest.raises(
        table.PolicyRefused, match=r"^concurency: no such policy; did you mean concurrency\? there are .*healthCheck"
    ):
        mesh({"concurency": {"most": 2}}, Replies(200))


def test_a_change_of_its_settings_is_in_force_at_once():
    inner, route = mesh({"concurrency": {"most": 1}}, Replies(200))

    inner.install(Put(Service("shop", "web", ports=(Port(80),), policies={"concurrency": {"most": 9}})))

    assert next(iter(inner.table)).settings["concurrency"].most == 9
    assert isinstance(route.stats, RouteStats) and next(iter(inner.table)).stats is route.stats


class StampSettings(PolicySettings):
    """Sets a field of every response."""

    name: str
    value: str


def stamp(_exchange, response, settings):
    response.fields.set(settings.name.encode(), settings.value.encode())


class MaxBodySettings(PolicySettings):
    """Refuses request bodies of more than so many bytes."""

    bytes: int


class BodyTooLarge(ProxyError):
    """The body of a request is larger than the service takes."""

    status = 413
    reason = "body-too-large"


class Bounded:
    """A body that is given up where it grows beyond its bound."""

    def __init__(self, body, most):
        self.length, self.streamed, self.trailers = body.length, body.streamed, b""
        self._body = body
        self._left = most

    async def read(self):
        piece = await self._body.read()
        self.trailers = self._body.trailers
        self._left -= len(piece)
        if self._left < 0:
            raise BodyTooLarge
        return piece

    def rewind(self):
        return False


def bound(exchange, settings):
    if exchange.request.length > settings.bytes:
        return error_response(BodyTooLarge("see maxBody"))
    exchange.body = Bounded(exchange.body, settings.bytes)
    return None


STAMP = Policy("stamp", StampSettings, on_response=stamp)
MAX_BODY = Policy("maxBody", MaxBodySettings, on_request=bound)


BOTH = Registry.of((STAMP, MAX_BODY, *CHAIN))


def test_a_policy_that_sets_a_response_field_sets_it_whatever_responds():
    policies = {"stamp": {"name": "X-Stamp", "value": "1"}, "maxBody": {"bytes": 4}}
    _, route = mesh(policies, Replies(200), BOTH)

    from_endpoint = run(route.handler(exchange()))
    from_policy = run(route.handler(exchange(b"PUT", WholeBody(b"12345"))))

    assert (from_endpoint.status, from_policy.status) == (200, 413)
    assert from_endpoint.fields.get(b"x-stamp") == from_policy.fields.get(b"x-stamp") == b"1"
    assert not run(mesh({}, Replies(200), BOTH)[1].handler(exchange())).fields.block()


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Connection", "Host"])
def test_a_policy_cannot_frame_a_message(name):
    _, route = mesh({"stamp": {"name": name, "value": "1"}}, Replies(200), BOTH)

    with pytest.raises(FieldRefused):
        run(route.handler(exchange()))


def test_a_policy_that_limits_a_body_of_unknown_length_ends_it_where_it_grows_too_large():
    _, route = mesh({"maxBody": {"bytes": 4}, "retries": {"attempts": 0}}, Replies(200), BOTH)

    assert run(route.handler(exchange(b"PUT", Pieces(b"12", b"34")))).status == 200
    with pytest.raises(BodyTooLarge):
        run(route.handler(exchange(b"PUT", Pieces(b"12", b"34", b"5"))))


def test_in_shadow_mode_neither_acts():
    policies = {
        "stamp": {"name": "X-Stamp", "value": "1", "mode": "shadow"},
        "maxBody": {"bytes": 4, "mode": "shadow"},
    }
    _, route = mesh(policies, Replies(200), BOTH)

    response = run(route.handler(exchange(b"PUT", WholeBody(b"12345"))))

    assert response.status == 200
    assert response.fields.get(b"x-stamp") is None


class RelabelSettings(PolicySettings):
    """Makes a response of every refusal."""


class Relabel:
    """Waits, and so sees the answers of all policies behind it."""

    def __init__(self, inner):
        self._inner = inner
        self.seen = []

    async def __call__(self, exchange):
        response = await self._inner(exchange)
        self.seen.append(response.status)
        return response


OUTERMOST = Policy("relabel", RelabelSettings, lambda _settings, inner, _tools, _state: Relabel(inner))


def test_a_policy_that_waits_sees_the_answers_of_those_behind_it_that_do_not():
    registry = Registry.of((OUTERMOST, MAX_BODY, *CHAIN))
    _, route = mesh({"relabel": {}, "maxBody": {"bytes": 4}}, Replies(200), registry)

    assert run(route.handler(exchange(b"PUT", WholeBody(b"12345")))).status == 413
    assert route.handler.seen == [413]


def test_neighbours_that_do_not_wait_are_one_handler_though_one_between_them_asks_for_nothing():
    nothing = Policy("relabel", RelabelSettings, lambda _settings, inner, _tools, _state: inner)
    registry = Registry.of((STAMP, nothing, MAX_BODY, *CHAIN))
    policies = {"stamp": {"name": "X-Stamp", "value": "1"}, "relabel": {}, "maxBody": {"bytes": 4}}
    off = {"timeouts": {"responseHead": 0, "idle": 0}, "retries": {"attempts": 0}}
    endpoint = Replies(200)

    _, route = mesh({**policies, **off}, endpoint, registry)

    assert route.handler._inner is endpoint
    assert run(route.handler(exchange(b"PUT", WholeBody(b"12345")))).fields.get(b"x-stamp") == b"1"
