"""Adding a policy is one file and one line: what such a file holds, and all that happens by itself."""

import pytest

from nodeproxy.errors import ProxyError
from nodeproxy.mesh.callers import Callers
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.policies import table
from nodeproxy.policies.block import Block, Policy
from nodeproxy.table import builder as live
from nodeproxy.telemetry.stats import RouteStats
from tests.fakes.exchanges import PolicyWorld, Replies, exchange, run


class ConcurrencySettings(Block):
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


def wrap(settings, inner, _tools):
    return Concurrency(settings, inner) if settings.most else inner


POLICY = Policy("concurrency", ConcurrencySettings, wrap)


@pytest.fixture
def _in_chain(monkeypatch):
    """The one line."""
    chain = (*live.CHAIN, POLICY)
    monkeypatch.setattr(live, "CHAIN", chain)
    monkeypatch.setattr(table, "_KNOWN", {policy.name: policy for policy in chain})


def mesh(policies, endpoint):
    """A mesh of one service with `policies`, and its route."""
    world = PolicyWorld()
    mesh = live.Live(
        live.Makers(lambda *_: endpoint, lambda *_: endpoint, lambda _stats: world.tools),
        lambda: world.now,
        "shop",
        Callers(),
    )
    mesh.install(Replace((Service("shop", "web", ports=(Port(80),), policies=policies),)))
    return mesh, next(iter(mesh.table))


class Nested:
    """An endpoint that calls the same service again before it answers."""

    def __init__(self):
        self.route = None

    async def __call__(self, exchange):
        return await self.route.handler(exchange)


@pytest.mark.usefixtures("_in_chain")
def test_a_service_that_asks_for_the_policy_has_it():
    endpoint = Nested()
    _, endpoint.route = mesh({"concurrency": {"most": 2}}, endpoint)

    with pytest.raises(TooBusy):
        run(endpoint.route.handler(exchange()))


@pytest.mark.usefixtures("_in_chain")
@pytest.mark.parametrize("policies", [{}, {"concurrency": {}}])
def test_a_service_that_does_not_ask_for_it_pays_nothing(policies):
    off = {"timeouts": {"responseHead": 0, "idle": 0}, "retries": {"attempts": 0}}
    endpoint = Replies(200)

    _, route = mesh({**off, **policies}, endpoint)

    assert route.handler is endpoint


@pytest.mark.usefixtures("_in_chain")
def test_it_stands_inside_the_policies_before_it():
    _, route = mesh({"concurrency": {"most": 1}, "timeouts": {"request": "2s"}}, Replies(200))
    one = exchange()

    assert run(route.handler(one)).status == 200
    assert one.scope.until == one.started + 2


@pytest.mark.usefixtures("_in_chain")
def test_its_mistakes_are_told_like_all_others():
    with pytest.raises(table.PolicyRefused, match=r"^concurrency\.most: input should be a valid integer, got 'two'$"):
        mesh({"concurrency": {"most": "two"}}, Replies(200))
    with pytest.raises(table.PolicyRefused, match=r"^concurency: no such policy; there are concurrency, healthCheck"):
        mesh({"concurency": {"most": 2}}, Replies(200))


@pytest.mark.usefixtures("_in_chain")
def test_a_change_of_its_settings_is_in_force_at_once():
    inner, route = mesh({"concurrency": {"most": 1}}, Replies(200))

    inner.install(Put(Service("shop", "web", ports=(Port(80),), policies={"concurrency": {"most": 9}})))

    assert next(iter(inner.table)).settings["concurrency"].most == 9
    assert isinstance(route.stats, RouteStats) and next(iter(inner.table)).stats is route.stats
