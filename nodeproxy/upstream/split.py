"""A split: the requests of one service port go to several clusters, in exact proportions."""

from collections.abc import Sequence

from nodeproxy.errors import NoEndpoints
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.policies.shares import Shares
from nodeproxy.upstream.cluster import Cluster
from nodeproxy.upstream.clusters import Clusters


class Split:
    """Looks clusters up by name for each request: they come, change and go without it."""

    __slots__ = ("_clusters", "_names", "_own", "_shares")

    def __init__(self, clusters: Clusters, names: Sequence[str], shares: Shares, own: Cluster) -> None:
        """`own` is the cluster of the service port itself, where requests go in shadow mode."""
        self._clusters = clusters
        self._names = names
        self._shares = shares
        self._own = own

    def next(self, exchange: Exchange) -> Cluster:
        """The cluster of the next request.

        Raises:
            NoEndpoints: it is not in the mesh. Its share does not go elsewhere: a canary would get all by mistake.
            ProtocolMismatch: its port does not take the client's protocol.
        """
        name = self._names[self._shares.weights.next()]
        decisions = self._shares.decisions
        decisions.count(name, exchange)
        if decisions.shadow:
            return self._own
        return found(self._clusters, name, "the policy split", exchange)


class Elsewhere:
    """One cluster of another service, by name: where a policy sends what this service cannot answer."""

    __slots__ = ("_clusters", "_name")

    def __init__(self, clusters: Clusters, name: str) -> None:
        self._clusters = clusters
        self._name = name

    def next(self, exchange: Exchange) -> Cluster:
        """The cluster.

        Raises:
            NoEndpoints, ProtocolMismatch: as for a split.
        """
        return found(self._clusters, self._name, "a policy", exchange)


def found(clusters: Clusters, name: str, named_by: str, exchange: Exchange) -> Cluster:
    """The cluster of this name, which `named_by` names, for `exchange`.

    Raises:
        NoEndpoints: it is not in the mesh.
        ProtocolMismatch: its port does not take the client's protocol.
    """
    cluster = clusters.get(name)
    if cluster is None:
        raise NoEndpoints(f"{name}: {named_by} names it, and it is not in the mesh; check the service and its port")
    cluster.check_takes(exchange.request)
    return cluster
