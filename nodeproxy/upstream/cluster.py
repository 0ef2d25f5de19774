"""A cluster: the endpoints of one service port, with their balancer. It outlives every change of them."""

import logging
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from nodeproxy.balance.balancer import Balancer
from nodeproxy.balance.choice import by_chance
from nodeproxy.balance.hashing import HashBalancer
from nodeproxy.balance.health import as_without_policies
from nodeproxy.balance.plan import Plan
from nodeproxy.balance.sticky import StickyBalancer, StickySessions
from nodeproxy.errors import NoEndpoints, ProtocolMismatch, UnknownPod
from nodeproxy.mesh import model
from nodeproxy.policies.connection_limits import ConnectionLimits
from nodeproxy.protocol.message import Request
from nodeproxy.upstream.context import UpstreamContext
from nodeproxy.upstream.endpoint import Endpoint

Address = tuple[str, int]
EndpointBalancer = Balancer[Endpoint] | StickyBalancer[Endpoint] | HashBalancer[Endpoint]
NO_PLAN = Plan(lambda: by_chance)  # of a cluster that has no endpoints yet
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClusterContext:
    """What all clusters of a worker share."""

    upstream: UpstreamContext
    own: Container[Address]
    """Of this proxy. RFC 9110, 7.6: a request sent there would come back, and again."""
    random: Callable[[], float]


class Cluster:
    """Its endpoints keep their connections and their health while they stay in the service."""

    __slots__ = (
        "_affinity_s", "_context", "_endpoints", "_limits", "_of_pods", "_of_subsets", "_past_ejections",
        "_plan", "_pods", "_port", "_sessions", "_subsets", "balancer", "gone", "known", "name", "none_ready",
        "service_key",
    )  # fmt: skip

    def __init__(self, service_key: str, name: str, context: ClusterContext) -> None:
        self.service_key = service_key
        self.name = name
        """`<namespace>/<service>:<port>`, the port by its key."""
        self.known = False
        """Whether its endpoints are known; they are not before the worker has subscribed to its service."""
        self.gone = False
        """Whether the service port has left the mesh."""
        self.none_ready = ""
        """Why there is no endpoint, if there is none, and what to check."""
        self._context = context
        self._port: model.Port | None = None
        self._endpoints: dict[Address, Endpoint] = {}
        self._pods: dict[str, tuple[Address, ...]] = {}
        self._of_pods: dict[str, Balancer[Endpoint]] = {}  # made on first use, because most are never used
        self._subsets: dict[str, tuple[Address, ...]] = {}
        self._of_subsets: dict[str, EndpointBalancer] = {}
        self._plan = NO_PLAN
        self._affinity_s = 0.0
        self._sessions: dict[str, StickySessions[Endpoint]] = {}  # of each subset, "" for all endpoints
        self._limits: ConnectionLimits | None = None
        self._past_ejections = 0
        self.balancer: EndpointBalancer = self._balancer(())

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """Those it has now."""
        return tuple(self._endpoints.values())

    @property
    def ejections(self) -> int:
        """How often an endpoint was ejected, those that have left included."""
        return self._past_ejections + sum(endpoint.health.ejections for endpoint in self._endpoints.values())

    def install(
        self,
        service: model.Service,
        port: model.Port,
        plan: Plan,
        limits: ConnectionLimits | None = None,
    ) -> None:
        """Take over exactly the endpoints of `port`, which is of `service`, how they are balanced and these limits on
        their connections.
        """
        before, now = self._endpoints, dict[Address, Endpoint]()
        pods, subsets = dict[str, list[Address]](), dict[str, list[Address]]()
        for each in port.endpoints:
            address = (each.address, each.port)
            if address in self._context.own:
                log.warning("%s: the endpoint %s:%d is this proxy itself; it is left out", self.name, *address)
                continue
            known = before.get(address)
            if known is None or known.protocol != port.protocol:
                known = self._new(address, port.protocol)
            endpoint = now[address] = known
            endpoint.distance, endpoint.judges = each.distance, plan.judges
            as_without_policies(endpoint.health)
            if each.hostname:
                pods.setdefault(each.hostname, []).append(address)
            for subset in each.subsets:
                subsets.setdefault(subset, []).append(address)
        self._port = port
        self._endpoints, self._pods = now, {pod: tuple(addresses) for pod, addresses in pods.items()}
        self._subsets = {subset: tuple(addresses) for subset, addresses in subsets.items()}
        self._of_pods, self._of_subsets, self._plan = {}, {}, plan
        if service.affinity_s != self._affinity_s:
            self._affinity_s, self._sessions = service.affinity_s, {}
        self._sessions = {key: each for key, each in self._sessions.items() if key in self._subsets or not key}
        self.known, self.none_ready = not service.unsubscribed, none_ready(service)
        members = self.endpoints
        self.balancer = self._keyed(self._balancer(members), "")
        for judge in plan.judges:
            judge.installed(members, self.review)
        self._dismiss([endpoint for address, endpoint in before.items() if now.get(address) is not endpoint])
        self._limit(limits)

    def _limit(self, limits: ConnectionLimits | None) -> None:
        before, self._limits = self._limits, limits
        if before is None and limits is None:
            return
        pools = [pool for endpoint in self._endpoints.values() for pool in endpoint.pools]
        for pool in pools:
            pool.limits = limits
        if limits is not None:
            limits.follow(pools)
        if before is not None and before is not limits:
            before.replaced(self._context.upstream.reactor)

    def check_takes(self, request: Request) -> None:
        """Check that `request` is of a kind that the service port takes; its own routes see to that at first.

        Raises:
            ProtocolMismatch: it is not; no endpoint has been connected to.
        """
        port = self._port
        if port is None or port.transport != "tcp":  # the name of a cluster has its transport
            return
        if request.version and not port.takes_requests:
            raise ProtocolMismatch(f"{self.name} is {port.protocol}, which carries no HTTP requests")
        if not request.version and not port.takes_connections:
            raise ProtocolMismatch(f"{self.name} is {port.protocol}, which takes HTTP requests alone")

    def of_pod(self, pod: str) -> Balancer[Endpoint]:
        """A balancer over the endpoints of the pod with this host name.

        Raises:
            UnknownPod: no ready pod has it.
        """
        if not self.known:
            return self._balancer(())
        if pod not in self._pods:
            raise UnknownPod(self.service_key, pod, self._pods)
        balancer = self._of_pods.get(pod)
        if balancer is None:
            members = [self._endpoints[address] for address in self._pods[pod]]
            balancer = self._of_pods[pod] = self._balancer(members)
        return balancer

    def of_subset(self, subset: str) -> EndpointBalancer:
        """A balancer over the endpoints whose pods have these labels; see `mesh.selectors.selector_text`.

        Raises:
            NoEndpoints: no endpoint has them.
        """
        balancer = self._of_subsets.get(subset)
        if balancer is not None:
            return balancer
        if not self.known:
            return self._balancer(())
        if subset not in self._subsets:
            raise NoEndpoints(f"{self.name}: {self._no_subset(subset)}")
        members = [self._endpoints[address] for address in self._subsets[subset]]
        balancer = self._of_subsets[subset] = self._keyed(self._balancer(members), subset)
        return balancer

    @property
    def serves(self) -> bool:
        """Whether it has an endpoint, whatever its health."""
        return bool(self._endpoints)

    def has_subset(self, subset: str) -> bool:
        """Whether it has an endpoint with these labels, whatever its health."""
        return subset in self._subsets

    def usable_count(self, now: float) -> int:
        """How many endpoints are usable at `now`, monotonic seconds."""
        return self.balancer.usable_count(now)

    def review(self) -> None:
        """The health of an endpoint has changed."""
        now = self._context.upstream.reactor.clock()
        for balancer in (self.balancer, *self._of_pods.values(), *self._of_subsets.values()):
            balancer.review(now)

    def leave(self) -> None:
        """The service port has left the mesh: dismiss all endpoints."""
        self.gone = True
        leaving, self._endpoints = self.endpoints, {}
        self._pods, self._of_pods, self._subsets, self._of_subsets = {}, {}, {}, {}
        self.none_ready = "the service port has left the mesh"
        self.balancer = self._balancer(())
        self._dismiss(leaving)

    def _new(self, address: Address, protocol: model.PortProtocol) -> Endpoint:
        endpoint = Endpoint(self._context.upstream, address, protocol)
        endpoint.health.joined_at = self._context.upstream.reactor.clock()
        return endpoint

    def _balancer(self, members: Sequence[Endpoint]) -> Balancer[Endpoint]:
        return Balancer(members, self._plan.chooser(), self._context.random, self._plan.panic_percent)

    def _keyed(self, balancer: Balancer[Endpoint], subset: str) -> EndpointBalancer:
        """`balancer`, with consistent hashing or sticky sessions where the service has them."""
        if self._plan.hashing is not None:
            return HashBalancer(balancer, self._plan.hashing, self._context.random)
        if not self._affinity_s:
            return balancer
        return StickyBalancer(balancer, self._sessions.setdefault(subset, StickySessions(self._affinity_s)))

    def _no_subset(self, subset: str) -> str:
        if not self._endpoints:
            return self.none_ready
        return (
            f"no ready endpoint has the labels {subset}; check them in the policy and at the pods"
            f" (kubectl get pods -l {subset}); its {len(self._endpoints)} endpoints have others"
        )

    def _dismiss(self, leaving: Sequence[Endpoint]) -> None:
        for endpoint in leaving:
            for pool in endpoint.pools:
                pool.drain()
            self._past_ejections += endpoint.health.ejections


def none_ready(service: model.Service) -> str:
    """Why a service has no endpoint, and what to check."""
    if service.only_local:
        return (
            "internalTrafficPolicy is Local and no endpoint on this node is ready; "
            "PreferSameNode prefers instead of insisting"
        )
    return "no endpoint is ready; check its pods and EndpointSlices"
