"""The routing table: finds the route of a service port by name. It is immutable; `builder` makes the next one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from nodeproxy.errors import NotReady, UnknownCaller, UnknownService
from nodeproxy.exchange.exchange import Handler
from nodeproxy.mesh import names
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.unserved import unserved
from nodeproxy.policies.block import Block
from nodeproxy.protocol.message import Request
from nodeproxy.telemetry.stats import RouteStats

SPELLINGS_MOST = 4096  # cached spellings of names; a client cannot make the table grow beyond this
PODS_NAMED = 5  # names of pods in a message: enough to see the pattern


@dataclass(frozen=True, slots=True)
class Route:
    """One service port in force."""

    service: Service
    port: Port
    settings: Mapping[str, Block]
    handler: Handler
    stats: RouteStats
    pods: "PodRoutes | None" = None
    """Makes the routes to its single pods; None for a route to a single pod."""

    @property
    def name(self) -> str:
        """`<namespace>/<service>:<port>`, the port by its key."""
        return f"{self.service.key}:{self.port.key}"

    def of_pod(self, pod: str) -> "Route":
        """The route to the pod with this host name.

        Raises:
            UnknownService: the service has no ready pod of that name.
        """
        if self.pods is None:
            raise UnknownService(f"service {self.service.key} has no pods with names")
        return self.pods.route(self, pod)


class PodRoutes:
    """Routes to single pods, made by `make` on first use, because most are never used.

    They live as long as the route of their whole service.
    """

    def __init__(self, make: Callable[[Route, str], Route]) -> None:
        self._make = make
        self._made: dict[str, tuple[Route, dict[str, Route]]] = {}

    def route(self, whole: Route, pod: str) -> Route:
        """See `Route.of_pod`. The pods of an unsubscribed service are unknown: the handler subscribes to it first."""
        if whole.service.unsubscribed:
            return self._make(whole, pod)
        of, made = self._made.get(whole.name, (None, {}))
        if of is not whole:
            made = {}
        if pod not in made:
            pods = {endpoint.hostname for endpoint in whole.port.endpoints} - {""}
            if pod not in pods:
                have = ", ".join(sorted(pods)[:PODS_NAMED]) or "none with a name"
                raise UnknownService(f"service {whole.service.key} has no ready pod {pod}; it has {have}")
            made[pod] = self._make(whole, pod)
            self._made[whole.name] = whole, made
        return made[pod]

    def keep(self, routes: Mapping[str, Mapping[str, Route]]) -> None:
        """Drop the pods' routes of all routes that are not in `routes`."""
        for name, (whole, _) in list(self._made.items()):
            if routes.get(whole.service.key, {}).get(whole.port.key) is not whole:
                del self._made[name]


@dataclass(frozen=True, slots=True)
class Table:
    """All routes. Immutable except for the cache of spellings."""

    routes: Mapping[str, Mapping[str, Route]] = field(default_factory=dict)
    """By service key, then port key."""
    own_namespace: str = ""
    """The namespace of <service>.mesh for a caller that is not a pod; "" if such a name is refused."""
    cluster_domain: str = names.CLUSTER_DOMAIN
    _spellings: dict[bytes, Route] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Route]:
        for ports in self.routes.values():
            yield from ports.values()

    def has(self, name: str) -> bool:
        """Whether there is a route with this name."""
        key, _, port = name.rpartition(":")
        return port in self.routes.get(key, ())

    def at(self, key: str, port: str) -> Route:
        """The route of the port with this key, of the service with this key.

        Raises:
            UnknownService: the service or port has been removed from the mesh.
        """
        try:
            return self.routes[key][port]
        except KeyError:
            raise UnknownService(f"there is no port {port} of a service {key} in the mesh any more") from None

    def match(self, request: Request, namespace: str) -> Route:
        """The route of a request: by x-mesh-service, else by its authority. `namespace` is the caller's, or "".

        Raises:
            UnknownService: no service, or no HTTP port of it, has that name.
            UnknownCaller: the name depends on the caller's namespace, which is unknown.
        """
        asked = request.service or request.authority
        return self._spellings.get(asked) or self._look_up(asked, namespace or self.own_namespace)

    def _look_up(self, asked: bytes, namespace: str) -> Route:
        shown = ascii(asked.decode("ascii", "replace"))
        name = names.parse(asked, "", self.cluster_domain)
        if name is None:
            raise UnknownService(f"{shown} is not a mesh name; call http://<service>.<namespace>.mesh/")
        if name.namespace:
            route = self._route_of(name, shown)
            if len(self._spellings) < SPELLINGS_MOST:
                self._spellings[asked] = route
            return route
        if not namespace:
            raise UnknownCaller(
                f"{shown} is relative to the caller's namespace, and the caller is unknown; add the namespace"
            )
        return self._route_of(name._replace(namespace=namespace), shown)

    def _route_of(self, name: names.MeshName, shown: str) -> Route:
        ports = self.routes.get(name.key)
        if ports is None:
            raise UnknownService(f"{shown}: there is no service {name.key} in the mesh; check its name and namespace")
        route = self._port(shown, name, ports)
        return route.of_pod(name.pod) if name.pod else route

    def _port(self, shown: str, name: names.MeshName, ports: Mapping[str, Route]) -> Route:
        served = {route.port.number: route for route in ports.values() if route.port.served}
        wanted = name.port or 80
        if wanted in served:
            return served[wanted]
        if name.port is None and len(served) == 1:
            return next(iter(served.values()))
        none = f"{shown}: service {name.key} has no HTTP port" + (f" {name.port}" if name.port is not None else "")
        meant = [route.port for route in ports.values() if name.port in (None, route.port.number)]
        if meant and not any(port.served for port in meant):
            raise UnknownService(f"{none}: {unserved(name.namespace, name.service, meant)}")
        have = ", ".join(map(str, served)) or "none"
        if name.port is not None or not served:
            raise UnknownService(f"{none}; it has {have}")
        raise UnknownService(f"{shown}: name an HTTP port of {name.key}; it has {have}")


class NoTable(Table):
    """The table before the first update from discovery: every look-up fails as not ready."""

    def match(self, request: Request, namespace: str) -> Route:
        """See Table.

        Raises:
            NotReady: always.
        """
        raise NotReady("no table from discovery yet; check that discovery runs and reaches its source")
