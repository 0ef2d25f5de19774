"""Some endpoints of a cluster: those whose pods have certain labels. Stands where the whole cluster could stand."""

from collections.abc import Sequence

from nodeproxy.protocol.message import Request
from nodeproxy.upstream.cluster import Cluster, EndpointBalancer
from nodeproxy.upstream.endpoint import Endpoint


class Subset:
    """A view of a cluster, which has all that lasts."""

    __slots__ = ("_cluster", "_labels")

    def __init__(self, cluster: Cluster, labels: str) -> None:
        """`labels` is a text of `mesh.selectors.selector_text`."""
        self._cluster = cluster
        self._labels = labels

    @property
    def name(self) -> str:
        """Of the cluster, with the labels."""
        return f"{self._cluster.name} {self._labels}"

    @property
    def service_key(self) -> str:
        """See Cluster."""
        return self._cluster.service_key

    @property
    def known(self) -> bool:
        """See Cluster."""
        return self._cluster.known

    @property
    def gone(self) -> bool:
        """See Cluster."""
        return self._cluster.gone

    @property
    def none_ready(self) -> str:
        """See Cluster."""
        return self._cluster.none_ready

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """Of the whole cluster: what has left it has left the subset too."""
        return self._cluster.endpoints

    @property
    def balancer(self) -> EndpointBalancer:
        """See `Cluster.of_subset`, and what it raises."""
        return self._cluster.of_subset(self._labels)

    @property
    def serves(self) -> bool:
        """Whether it has an endpoint, whatever its health."""
        return self._cluster.has_subset(self._labels)

    def of_pod(self, pod: str) -> EndpointBalancer:
        """See Cluster: a pod that is called by its name is called whatever its labels."""
        return self._cluster.of_pod(pod)

    def check_takes(self, request: Request) -> None:
        """See Cluster."""
        self._cluster.check_takes(request)

    def review(self) -> None:
        """See Cluster."""
        self._cluster.review()


Group = Cluster | Subset
"""Endpoints that a request may go to."""
