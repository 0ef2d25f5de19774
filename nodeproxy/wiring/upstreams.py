"""The side of the endpoints of every service port, made from its policies' settings."""

from collections.abc import Callable
from dataclasses import replace

from nodeproxy.balance.hash_key import HashKey, of_cookie, of_header
from nodeproxy.balance.keyed_weights import KeyedWeights
from nodeproxy.io.reactor import Reactor
from nodeproxy.mesh.model import Port, Service
from nodeproxy.policies.filters import Admission
from nodeproxy.policies.route_rules import Rule, Sticky
from nodeproxy.policies.split import SplitSettings
from nodeproxy.policies.targets import Resolved, resolved
from nodeproxy.policies.timeouts import TimeoutsSettings, connect_limit_s, udp_idle_limit_s
from nodeproxy.table.makers import Settings, States
from nodeproxy.upstream.clusters import Clusters
from nodeproxy.upstream.on_demand import WAIT_S, Changes, OnDemand
from nodeproxy.upstream.rule_targets import Always, CanaryFirst, StickySplit
from nodeproxy.upstream.split import Elsewhere, Split, Targets
from nodeproxy.upstream.udp_upstream import UdpUpstream
from nodeproxy.upstream.upstream import Upstream
from nodeproxy.wiring.balancing import plan_of


class Upstreams:
    """Makes the innermost handlers, and installs the clusters they refer to; see `table.builder.Makers`."""

    def __init__(
        self,
        clusters: Clusters,
        reactor: Reactor,
        changes: Changes,
        subscribe: Callable[[str], None],
    ) -> None:
        self._clusters = clusters
        self._reactor = reactor
        self._on_demand = OnDemand(reactor, changes, subscribe)

    def make(self, service: Service, port: Port, settings: Settings, states: States, pod: str) -> Upstream:
        """The innermost handler of a service port, or of the pod of it with this host name."""
        timeouts = settings["timeouts"]
        assert isinstance(timeouts, TimeoutsSettings)
        cluster = self._clusters.of(service, port)
        targets = None if pod else self._split(service, port, settings, states)
        return Upstream(cluster, targets, pod, connect_limit_s(timeouts), self._reactor, self._on_demand)

    def routed(
        self,
        service: Service,
        port: Port,
        settings: Settings,
        states: States,
        rule: Rule,
    ) -> Upstream:
        """The innermost handler of a rule with a canary or sticky targets, with these settings and states."""
        upstream = self.make(service, port, settings, states, "")
        targets: Targets | None = upstream.split
        if rule.sticky is not None and isinstance(targets, Split):
            places = [resolved(target, service, port).name for target in rule.split]
            keyed = KeyedWeights(places, [target.weight for target in rule.split])
            targets = StickySplit(targets, keyed, _key(rule.sticky))
        if rule.canary is not None:
            place, others = resolved(rule.canary, service, port), targets or Always(upstream.cluster)
            targets = CanaryFirst(self._clusters, self._on_demand.subscribe, place, states["routes"], others)
        return replace(upstream, split=targets)

    def datagrams(
        self,
        service: Service,
        port: Port,
        settings: Settings,
        states: States,
        admission: Admission,
    ) -> UdpUpstream:
        """What chooses for the sessions of a UDP port."""
        timeouts = settings["timeouts"]
        assert isinstance(timeouts, TimeoutsSettings)
        return UdpUpstream(
            self._clusters.of(service, port),
            self._split(service, port, settings, states),
            admission,
            self._reactor,
            self._on_demand.subscribe,
            udp_idle_limit_s(timeouts),
            connect_limit_s(timeouts) or WAIT_S,
        )

    def _split(self, service: Service, port: Port, settings: Settings, states: States) -> Split | None:
        split = settings.get("split")
        if not isinstance(split, SplitSettings):
            return None
        targets = [resolved(target, service, port) for target in split.targets]
        return Split(self._clusters, targets, states["split"], self._clusters.of(service, port))

    def elsewhere(self, service: Service, port: Port, settings: Settings, target: Resolved) -> Upstream:
        """What sends to this destination on behalf of a service port: its own policies bound the connect."""
        timeouts = settings["timeouts"]
        assert isinstance(timeouts, TimeoutsSettings)
        other, own = Elsewhere(self._clusters, target), self._clusters.of(service, port)
        return Upstream(own, other, "", connect_limit_s(timeouts), self._reactor, self._on_demand)

    def install(self, service: Service, port: Port, settings: Settings, states: States) -> None:
        """Put the endpoints of a service port in force."""
        plan = plan_of(settings, states, self._now)
        self._clusters.install(service, port, plan, states.get("connectionPool"))

    def _now(self) -> float:
        return self._reactor.now


def _key(sticky: Sticky) -> HashKey:
    if sticky.header is not None:
        return of_header(sticky.header)
    assert sticky.cookie is not None  # validated with the settings
    return of_cookie(sticky.cookie)
