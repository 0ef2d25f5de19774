"""The side of the endpoints of every service port, made from its policies' settings."""

from collections.abc import Callable, Mapping
from typing import Any

from nodeproxy.balance.choice import chooser
from nodeproxy.io.reactor import Reactor
from nodeproxy.mesh.model import Port, Service
from nodeproxy.policies.block import PolicySettings
from nodeproxy.policies.load_balancer import LoadBalancerSettings
from nodeproxy.policies.split import SplitSettings, names
from nodeproxy.policies.timeouts import TimeoutsSettings, connect_limit_s
from nodeproxy.upstream.clusters import Clusters
from nodeproxy.upstream.on_demand import Changes, OnDemand
from nodeproxy.upstream.split import Elsewhere, Split
from nodeproxy.upstream.upstream import Upstream


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

    def make(
        self, service: Service, port: Port, settings: Mapping[str, PolicySettings], states: Mapping[str, Any], pod: str
    ) -> Upstream:
        """The innermost handler of a service port, or of the pod of it with this host name."""
        timeouts, split = settings["timeouts"], settings.get("split")
        assert isinstance(timeouts, TimeoutsSettings)
        targets = None
        cluster = self._clusters.of(service, port)
        if isinstance(split, SplitSettings) and not pod:
            targets = Split(self._clusters, names(split, service.namespace, port.number), states["split"], cluster)
        return Upstream(cluster, targets, pod, connect_limit_s(timeouts), self._reactor, self._on_demand)

    def elsewhere(self, service: Service, port: Port, settings: Mapping[str, PolicySettings], name: str) -> Upstream:
        """What sends to the cluster of this name on behalf of a service port: its own policies bound the connect."""
        timeouts = settings["timeouts"]
        assert isinstance(timeouts, TimeoutsSettings)
        other, own = Elsewhere(self._clusters, name), self._clusters.of(service, port)
        return Upstream(own, other, "", connect_limit_s(timeouts), self._reactor, self._on_demand)

    def install(
        self, service: Service, port: Port, settings: Mapping[str, PolicySettings], states: Mapping[str, Any]
    ) -> None:
        """Put the endpoints of a service port in force."""
        balancer = settings["loadBalancer"]
        assert isinstance(balancer, LoadBalancerSettings)
        self._clusters.install(service, port, chooser(balancer.simple), states.get("connectionPool"))
