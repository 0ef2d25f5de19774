"""A split: the requests of one service port go to several clusters, in exact proportions."""

from collections.abc import Sequence

from nodeproxy.balance.weights import Weights
from nodeproxy.errors import NoEndpoints
from nodeproxy.upstream.cluster import Cluster
from nodeproxy.upstream.clusters import Clusters


class Split:
    """Looks clusters up by name for each request: they come, change and go without it."""

    def __init__(self, clusters: Clusters, names: Sequence[str], weights: Weights) -> None:
        self._clusters = clusters
        self._names = names
        self._weights = weights

    def next(self) -> Cluster:
        """The cluster of the next request.

        Raises:
            NoEndpoints: it is not in the mesh. Its share does not go elsewhere: a canary would get all by mistake.
        """
        name = self._names[self._weights.next()]
        cluster = self._clusters.get(name)
        if cluster is None:
            raise NoEndpoints(f"{name}: a split names it, and it is not in the mesh; check the service and its port")
        return cluster
