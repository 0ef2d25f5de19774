"""All clusters of a worker, by name: what rules refer to, and what is looked up when a request comes."""

from nodeproxy.balance.plan import Plan
from nodeproxy.mesh import model
from nodeproxy.policies.connection_limits import ConnectionLimits
from nodeproxy.upstream.cluster import Cluster, ClusterContext


class Clusters:
    """A cluster has its name, `<namespace>/<service>:<port>`, from its installation until it is removed."""

    def __init__(self, context: ClusterContext) -> None:
        self._context = context
        self._by_name: dict[str, Cluster] = {}
        self._new: dict[str, Cluster] = {}  # of the update that is being installed

    def get(self, name: str) -> Cluster | None:
        """The cluster of this name, None when there is none."""
        return self._by_name.get(name)

    def of(self, service: model.Service, port: model.Port) -> Cluster:
        """The cluster of a service port; one that nothing finds by its name before it is installed where it is new."""
        name = f"{service.key}:{port.key}"
        cluster = self._by_name.get(name) or self._new.get(name)
        if cluster is None:
            cluster = self._new[name] = Cluster(service.key, name, self._context)
        return cluster

    def install(
        self,
        service: model.Service,
        port: model.Port,
        plan: Plan,
        limits: ConnectionLimits | None = None,
    ) -> None:
        """Let the cluster of a service port have the endpoints that the port has, and balance them by `plan`."""
        cluster = self.of(service, port)
        cluster.install(service, port, plan, limits)
        self._by_name[cluster.name] = cluster
        self._new.pop(cluster.name, None)

    def forget_unused(self) -> None:
        """An update has been installed, or refused: what it has made and not installed is of no use."""
        self._new.clear()

    def remove(self, name: str) -> None:
        """The service port of this name has left the mesh; there may be none."""
        cluster = self._by_name.pop(name, None)
        if cluster is not None:
            cluster.leave()

    def clear(self) -> None:
        """Remove all."""
        for name in list(self._by_name):
            self.remove(name)
