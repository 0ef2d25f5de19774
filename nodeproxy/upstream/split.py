"""A split: the requests of one service port go to several clusters, in exact proportions."""

from collections.abc import Sequence
from typing import Protocol

from nodeproxy.errors import NoEndpoints
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.policies.shares import Shares
from nodeproxy.policies.targets import Resolved
from nodeproxy.upstream.cluster import Cluster
from nodeproxy.upstream.clusters import Clusters
from nodeproxy.upstream.subset import Group, Subset


class Targets(Protocol):
    """What chooses where each request goes."""

    def next(self, exchange: Exchange) -> Group:
        """The endpoints for a try of `exchange`.

        Raises:
            NoEndpoints, ProtocolMismatch: see `found`.
        """
        ...


class Split:
    """Looks clusters up by name for each request: they come, change and go without it."""

    __slots__ = ("_clusters", "_names", "_own", "_shares", "_targets")

    def __init__(self, clusters: Clusters, targets: Sequence[Resolved], shares: Shares, own: Cluster) -> None:
        """`own` is the cluster of the service port itself, where requests go in shadow mode."""
        self._clusters = clusters
        self._targets = targets
        self._names = [target.name for target in targets]
        self._shares = shares
        self._own = own

    def next(self, exchange: Exchange) -> Group:
        """The target whose turn it is.

        Raises:
            NoEndpoints: it is not in the mesh. Its share does not go elsewhere: a canary would get all by mistake.
            ProtocolMismatch: its port does not take the client's protocol.
        """
        return self.at(self._shares.weights.next(), exchange)

    def at(self, index: int, exchange: Exchange) -> Group:
        """The target of this index, as `next`."""
        decisions = self._shares.decisions
        decisions.count(self._names[index], exchange)
        if decisions.shadow:
            return self._own
        return found(self._clusters, self._targets[index], "the policy split", exchange)


class Elsewhere:
    """One cluster, by name, or a subset of it: where a policy sends what is not for the endpoints of its service."""

    __slots__ = ("_clusters", "_target")

    def __init__(self, clusters: Clusters, target: Resolved) -> None:
        self._clusters = clusters
        self._target = target

    def next(self, exchange: Exchange) -> Group:
        """The cluster.

        Raises:
            NoEndpoints, ProtocolMismatch: as for a split.
        """
        return found(self._clusters, self._target, "a policy", exchange)


def found(clusters: Clusters, target: Resolved, named_by: str, exchange: Exchange) -> Group:
    """The endpoints of `target`, which `named_by` names, for `exchange`.

    Raises:
        NoEndpoints: its cluster is not in the mesh.
        ProtocolMismatch: its port does not take the client's protocol.
    """
    name, subset = target
    cluster = clusters.get(name)
    if cluster is None:
        raise NoEndpoints(f"{name}: {named_by} names it, and it is not in the mesh; check the service and its port")
    cluster.check_takes(exchange.request)
    return Subset(cluster, subset) if subset else cluster
