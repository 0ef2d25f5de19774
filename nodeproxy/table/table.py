"""The routing table: finds the route of a service port by name. `builder` changes it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from nodeproxy.errors import NotReady, UnknownCaller, UnknownPod, UnknownService
from nodeproxy.exchange.exchange import Handler
from nodeproxy.mesh import names
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.unserved import not_http
from nodeproxy.policies.block import PolicySettings
from nodeproxy.protocol.message import Request
from nodeproxy.table.rules import Rules
from nodeproxy.telemetry.stats import RouteStats
from nodeproxy.upstream.udp_upstream import UdpUpstream

SPELLINGS_MOST = 4096  # cached spellings of names; a client cannot make the table grow beyond this


@dataclass(frozen=True, slots=True)
class Route:
    """One service port in force."""

    service: Service
    port: Port
    settings: Mapping[str, PolicySettings]
    handler: Handler
    stats: RouteStats
    states: Mapping[str, Any] = field(default_factory=dict)
    """The state of each policy that has one, by its name."""
    pods: "PodRoutes | None" = None
    """Makes the routes to its single pods; None for a route to a single pod."""
    connect: Handler | None = None
    """The handler of TCP connections that carry no HTTP, whose responses are tunnels; None where the port has none."""
    datagrams: UdpUpstream | None = None
    """What chooses for the sessions of a UDP port; None for every other port."""
    rules: Rules | None = None
    """The rules of its routes; None for a port without, and for a route to a single pod."""
    last_good: "Route | None" = None
    """During a trial (`trial`): this route without it."""
    trial: "Route | None" = None
    """During a trial: the route with the changed policies."""

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
                raise UnknownPod(whole.service.key, pod, pods)
            made[pod] = self._make(whole, pod)
            self._made[whole.name] = whole, made
        return made[pod]

    def forget(self, name: str) -> None:
        """Drop the pods' routes of the route of this name, which has gone."""
        self._made.pop(name, None)


class Table:
    """All routes, and a cache of the spellings by which they were found."""

    def __init__(
        self,
        routes: Mapping[str, Mapping[str, Route]] = MappingProxyType({}),
        own_namespace: str = "",
        cluster_domain: str = names.CLUSTER_DOMAIN,
        also_zones: tuple[str, ...] = (),
    ) -> None:
        self.own_namespace = own_namespace
        """What <service>.mesh means for a caller that is no pod; "" when it means nothing."""
        self.cluster_domain = cluster_domain
        self.also_zones = also_zones
        """Further zones of the mesh's names, see `names.parse`."""
        self._routes = dict(routes)
        self._probed: dict[str, tuple[Route, ...]] = {}  # by service key
        for key, ports in routes.items():
            self._note_probed(key, ports)
        self._found: dict[bytes, Route] = {}
        self._spellings: dict[str, list[bytes]] = {}  # by service key, of those in _found

    @property
    def routes(self) -> Mapping[str, Mapping[str, Route]]:
        """By service key, then port key."""
        return self._routes

    def put(self, key: str, routes: Mapping[str, Route]) -> Mapping[str, Mapping[str, Route]]:
        """Let the service with this key have these routes; returns those it had, by its key."""
        before = self.drop(key)
        self._routes[key] = routes
        self._note_probed(key, routes)
        return before

    def drop(self, key: str) -> Mapping[str, Mapping[str, Route]]:
        """Remove the service with this key, if there is one; returns the routes it had, by its key."""
        for spelling in self._spellings.pop(key, ()):
            del self._found[spelling]
        self._probed.pop(key, None)
        before = self._routes.pop(key, None)
        return {} if before is None else {key: before}

    def __iter__(self) -> Iterator[Route]:
        for ports in self._routes.values():
            yield from ports.values()

    @property
    def probed(self) -> Iterator[Route]:
        """The routes whose endpoints are probed. A worker asks several times a second, and may have 10,000 others."""
        for routes in self._probed.values():
            yield from routes

    def _note_probed(self, key: str, routes: Mapping[str, Route]) -> None:
        if probed := tuple(route for route in routes.values() if "healthCheck" in route.settings):
            self._probed[key] = probed

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
        return self._found.get(asked) or self._look_up(asked, namespace or self.own_namespace)

    def match_tls(self, server_name: str, namespace: str, listener_port: int) -> Route:
        """The route of a TLS connection to the server of this name, which came to a listener with this port.

        The service's port of the same number if it takes TLS connections, else its only port that speaks TLS.
        `namespace` is the caller's, or "".

        Raises:
            UnknownService: no service has that name, or it has no such port.
            UnknownCaller: the name depends on the caller's namespace, which is unknown.
        """
        shown = ascii(server_name)
        name = names.parse(server_name.encode(), "", self.cluster_domain, self.also_zones)
        if name is None:
            raise UnknownService(f"{shown} is not a mesh name; use <service>.<namespace>.mesh as the server name")
        if not name.namespace:
            name = name._replace(namespace=self._namespace_for(shown, namespace or self.own_namespace))
        ports = self._ports_of(name, shown)
        route = _tls_port(shown, name, ports, listener_port)
        return route.of_pod(name.pod) if name.pod else route

    def _namespace_for(self, shown: str, namespace: str) -> str:
        if not namespace:
            raise UnknownCaller(
                f"{shown} is relative to the caller's namespace, and the caller is unknown; add the namespace"
            )
        return namespace

    def _ports_of(self, name: names.MeshName, shown: str) -> Mapping[str, Route]:
        ports = self.routes.get(name.key)
        if ports is None:
            raise UnknownService(f"{shown}: there is no service {name.key} in the mesh; check its name and namespace")
        return ports

    def _look_up(self, asked: bytes, namespace: str) -> Route:
        shown = ascii(asked.decode("ascii", "replace"))
        name = names.parse(asked, "", self.cluster_domain, self.also_zones)
        if name is None:
            raise UnknownService(f"{shown} is not a mesh name; call http://<service>.<namespace>.mesh/")
        if name.namespace:
            route = self._route_of(name, shown)
            if len(self._found) < SPELLINGS_MOST:
                self._found[asked] = route
                self._spellings.setdefault(name.key, []).append(asked)
            return route
        return self._route_of(name._replace(namespace=self._namespace_for(shown, namespace)), shown)

    def _route_of(self, name: names.MeshName, shown: str) -> Route:
        route = self._port(shown, name, self._ports_of(name, shown))
        return route.of_pod(name.pod) if name.pod else route

    def _port(self, shown: str, name: names.MeshName, ports: Mapping[str, Route]) -> Route:
        served = {route.port.number: route for route in ports.values() if route.port.takes_requests}
        wanted = name.port or 80
        if wanted in served:
            return served[wanted]
        if name.port is None:
            # A port for HTTP/2 beside it takes nothing away from the only one for HTTP/1.1.
            only = (
                list(served.values())
                if len(served) == 1
                else [each for each in served.values() if each.port.protocol != "http2"]
            )
            if len(only) == 1:
                return only[0]
        none = f"{shown}: service {name.key} has no HTTP port" + (f" {name.port}" if name.port is not None else "")
        meant = [route for route in ports.values() if name.port in (None, route.port.number)]
        if meant and not any(route.port.takes_requests for route in meant):
            raise UnknownService(f"{none}: {not_http(meant[0].service, [route.port for route in meant])}")
        have = ", ".join(map(str, served)) or "none"
        if name.port is not None or not served:
            raise UnknownService(f"{none}; it has {have}")
        raise UnknownService(f"{shown}: name an HTTP port of {name.key}; it has {have}")


def _tls_port(shown: str, name: names.MeshName, ports: Mapping[str, Route], number: int) -> Route:
    same = ports.get(Port(number).key)
    if same is not None and same.port.takes_connections:
        return same
    speaking = [route for route in ports.values() if route.port.transport == "tcp" and route.port.protocol == "tls"]
    if len(speaking) == 1:
        return speaking[0]
    if speaking:
        have = ", ".join(str(route.port.number) for route in speaking)
        raise UnknownService(
            f"{shown}: several ports of {name.key} speak TLS, {have}; connect to the address that the name has in DNS"
        )
    taking = [str(route.port.number) for route in ports.values() if route.port.takes_connections]
    cure = "set the appProtocol of one to https"
    if taking:
        cure = f"for its port {' or '.join(taking)}, connect to the address that the name has in DNS, or {cure}"
    raise UnknownService(f"{shown}: service {name.key} has no port {number} for TLS and none that speaks TLS; {cure}")


_NOT_READY = "no table from discovery yet; check that discovery runs and reaches its source"


class NoTable(Table):
    """The table before the first update from discovery: every look-up fails as not ready."""

    def match(self, request: Request, namespace: str) -> Route:
        """See Table.

        Raises:
            NotReady: always.
        """
        raise NotReady(_NOT_READY)

    def match_tls(self, server_name: str, namespace: str, listener_port: int) -> Route:
        """See Table.

        Raises:
            NotReady: always.
        """
        raise NotReady(_NOT_READY)
