"""The table in force: every service of the mesh, ready to be called. `install` swaps one reference.

What stays the same stays the same object: a route whose service has not changed keeps its handler, its endpoints and
their connections; a changed service keeps the memory and the numbers of what remains of it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from nodeproxy.errors import NotReady, UnknownService
from nodeproxy.mesh import names
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.wire import Drop, Fresh, Put, Replace, Update
from nodeproxy.policies import CHAIN
from nodeproxy.policies.block import Block
from nodeproxy.policies.exchange import Handler, Tools
from nodeproxy.policies.table import settings_of
from nodeproxy.protocol.head import RequestHead
from nodeproxy.telemetry.stats import RouteStats

SPELLINGS_MOST = 4096  # ways to write a name that are remembered; a client cannot make the table grow beyond this


@dataclass(frozen=True, slots=True)
class Route:
    """One service port in force."""

    service: Service
    port: Port
    settings: Mapping[str, Block]
    handler: Handler
    stats: RouteStats

    @property
    def name(self) -> str:
        """`<namespace>/<service>:<port>`."""
        return f"{self.service.key}:{self.port.number}"


@dataclass(frozen=True, slots=True)
class Table:
    """All routes. Nothing in it changes but the memory of spellings, which only saves work."""

    routes: Mapping[str, Mapping[int, Route]] = field(default_factory=dict)
    """By service key, then port number."""
    own_namespace: str = "default"
    _spellings: dict[bytes, Route] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Route]:
        for ports in self.routes.values():
            yield from ports.values()

    def at(self, key: str, port: int) -> Route:
        """The route of this port of the service with this key.

        Raises:
            UnknownService: it is not in the mesh any more.
        """
        try:
            return self.routes[key][port]
        except KeyError:
            raise UnknownService(f"there is no port {port} of a service {key} in the mesh any more") from None

    def match(self, head: RequestHead) -> Route:
        """The route a request means: by x-mesh-service, else by its authority.

        Raises:
            UnknownService: no service, or no HTTP port of it, goes by that name.
        """
        asked = head.service or head.host
        route = self._spellings.get(asked)
        if route is None:
            route = self._look_up(asked)
            if len(self._spellings) < SPELLINGS_MOST:
                self._spellings[asked] = route
        return route

    def _look_up(self, asked: bytes) -> Route:
        shown = ascii(asked.decode("ascii", "replace"))
        name = names.parse(asked, self.own_namespace)
        if name is None:
            raise UnknownService(f"{shown} is no mesh name; call http://<service>.<namespace>.mesh/")
        ports = self.routes.get(name.key)
        if ports is None or name.pod:
            raise UnknownService(f"{shown}: there is no service {name.key} in the mesh; check its name and namespace")
        speaking = {number: route for number, route in ports.items() if route.port.protocol == "http"}
        if name.port is not None and name.port not in speaking:
            have = ", ".join(map(str, speaking)) or "none"
            raise UnknownService(f"{shown}: service {name.key} has no HTTP port {name.port}; it has {have}")
        wanted = name.port or 80
        if wanted in speaking:
            return speaking[wanted]
        if len(speaking) != 1:
            have = ", ".join(map(str, speaking)) or "none"
            raise UnknownService(f"{shown}: say which HTTP port of {name.key}; it has {have}")
        return next(iter(speaking.values()))


class NoTable(Table):
    """Before discovery has said anything, no name can be known or unknown."""

    def match(self, head: RequestHead) -> Route:
        """See Table.

        Raises:
            NotReady: always.
        """
        raise NotReady("no table from discovery yet; check that discovery runs and reaches its source")


MakeHandler = Callable[[Service, Port, Mapping[str, Block]], Handler]
MakeTools = Callable[[RouteStats], Tools]


class Live:
    """Holds the table, and makes the next one of each update.

    `upstream` makes the innermost handler of a route; `tools` is the world its policies see.
    """

    def __init__(self, upstream: MakeHandler, tools: MakeTools, now: Callable[[], float], namespace: str) -> None:
        self.table: Table = NoTable()
        self.confirmed_at: float | None = None
        """When discovery last said that the table is current, monotonic seconds; None before the first."""
        self._upstream = upstream
        self._tools = tools
        self._now = now
        self._namespace = namespace

    @property
    def ready(self) -> bool:
        """Whether there is a table."""
        return self.confirmed_at is not None

    def install(self, update: Update) -> None:
        """Put `update` in force, whole.

        Raises:
            PolicyRefused: a service's policies are not valid; nothing has changed.
        """
        if isinstance(update, Replace):
            routes = {service.key: self._routes_of(service) for service in update.services}
        elif isinstance(update, Put):
            routes = {**self.table.routes, update.service.key: self._routes_of(update.service)}
        elif isinstance(update, Drop):
            routes = {key: ports for key, ports in self.table.routes.items() if key != update.key}
        self.confirmed_at = self._now() - (update.age_s if isinstance(update, Replace) else 0.0)
        if not isinstance(update, Fresh):
            self.table = Table(routes, self._namespace)

    def _routes_of(self, service: Service) -> Mapping[int, Route]:
        before = self.table.routes.get(service.key, {})
        return {port.number: self._route(service, port, before.get(port.number)) for port in service.ports}

    def _route(self, service: Service, port: Port, before: Route | None) -> Route:
        if before is not None and before.port == port and before.service.policies == service.policies:
            return before
        stats = before.stats if before is not None else RouteStats()
        settings = settings_of(service.policies)
        handler, tools = self._upstream(service, port, settings), self._tools(stats)
        for policy in reversed(CHAIN):
            if policy.wrap is not None and policy.name in settings:
                handler = policy.wrap(settings[policy.name], handler, tools)
        return Route(service, port, settings, handler, stats)
