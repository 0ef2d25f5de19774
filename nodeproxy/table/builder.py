"""Builds the next table from each update and puts it in force by replacing one reference.

A route whose service has not changed stays the same object, with its handler, endpoints and connections; a changed
service keeps the health and statistics of the ports and endpoints that remain.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from nodeproxy.exchange.exchange import Handler, Tools
from nodeproxy.mesh import names
from nodeproxy.mesh.callers import Callers
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.subscriptions import Subscriptions
from nodeproxy.mesh.wire import Callers as CallersSnapshot
from nodeproxy.mesh.wire import Drop, Fresh, PolicyMap, PolicyMaps, Put, Replace, Update, Watched, Watches
from nodeproxy.policies import CHAIN
from nodeproxy.policies.block import Block
from nodeproxy.policies.table import SharedSettings
from nodeproxy.table.table import NoTable, PodRoutes, Route, Table
from nodeproxy.telemetry.stats import RouteStats

MakeHandler = Callable[[Service, Port, Mapping[str, Block], str], Handler]
"""For a whole service port, or only for its pod with this host name."""
MakeTools = Callable[[RouteStats], Tools]


@dataclass(frozen=True, slots=True)
class Makers:
    """Makes the parts of a route: its handler, with endpoints or without a subscription, and its policies' tools."""

    upstream: MakeHandler
    unsubscribed: MakeHandler
    tools: MakeTools


class Live:
    """Holds the table in force and the snapshots beside it; builds the next table from each update."""

    def __init__(
        self,
        makers: Makers,
        now: Callable[[], float],
        namespace: str,
        callers: Callers,
        cluster_domain: str = names.CLUSTER_DOMAIN,
    ) -> None:
        self.table: Table = NoTable()
        self.callers = callers
        self.subscriptions = Subscriptions(now)
        self.watches: tuple[Watched, ...] = ()
        """The watches of discovery, for the admin pages."""
        self.policy_maps: tuple[PolicyMap, ...] = ()
        """The ConfigMaps that hold policies, and whether they are in force; for metrics."""
        self.confirmed_at: float | None = None
        """When discovery last confirmed the table, monotonic seconds; None before the first table."""
        self._makers = makers
        self._now = now
        self._namespace = namespace
        self._cluster_domain = cluster_domain
        self._on_demand = False
        self._settings = SharedSettings()
        self._pods = PodRoutes(self._route_of_pod)

    @property
    def ready(self) -> bool:
        """Whether there is a table."""
        return self.confirmed_at is not None

    def install(self, update: Update) -> None:
        """Put `update` in force, whole.

        Raises:
            PolicyRefused: a service's policies are not valid; nothing has changed.
        """
        if isinstance(update, CallersSnapshot):
            self.callers.install(update.callers)
        elif isinstance(update, Watches):
            self.watches = update.watches
        elif isinstance(update, PolicyMaps):
            self.policy_maps = update.maps
        else:
            self._install(update)

    def _install(self, update: Replace | Put | Drop | Fresh) -> None:
        if isinstance(update, Replace):
            self._on_demand = update.on_demand
            routes = {service.key: self._routes_of(service) for service in update.services}
        elif isinstance(update, Put):
            routes = {**self.table.routes, update.service.key: self._routes_of(update.service)}
        elif isinstance(update, Drop):
            routes = {key: ports for key, ports in self.table.routes.items() if key != update.key}
        self.confirmed_at = self._now() - (update.age_s if isinstance(update, Replace) else 0.0)
        if not isinstance(update, Fresh):
            self.table = Table(routes, self._namespace, self._cluster_domain)
            self._pods.keep(routes)

    def _routes_of(self, service: Service) -> Mapping[str, Route]:
        before = self.table.routes.get(service.key, {})
        service = replace(service, policies=self._settings.of(service.policies)[0])
        if service.unsubscribed and service.key in self.subscriptions:
            service = _still_subscribed(service, before)
        elif self._on_demand and not service.unsubscribed:
            self.subscriptions.want(service.key)  # the subscription that revealed it may end; this one is our own
        return {port.key: self._route(service, port, before.get(port.key)) for port in service.ports}

    def _route(self, service: Service, port: Port, before: Route | None) -> Route:
        if before is not None and before.port == port and _alike(before.service, service):
            return before
        stats = before.stats if before is not None else RouteStats()
        settings = self._settings.of(service.policies)[1]
        handler = self._handler(service, port, settings, stats, "")
        return Route(service, port, settings, handler, stats, self._pods)

    def _handler(
        self, service: Service, port: Port, settings: Mapping[str, Block], stats: RouteStats, pod: str
    ) -> Handler:
        if service.unsubscribed:
            return self._makers.unsubscribed(service, port, settings, pod)
        handler, tools = self._makers.upstream(service, port, settings, pod), self._makers.tools(stats)
        for policy in reversed(CHAIN):
            if policy.wrap is not None and policy.name in settings:
                handler = policy.wrap(settings[policy.name], handler, tools)
        return handler

    def _route_of_pod(self, whole: Route, pod: str) -> Route:
        handler = self._handler(whole.service, whole.port, whole.settings, whole.stats, pod)
        return Route(whole.service, whole.port, whole.settings, handler, whole.stats)


def _still_subscribed(service: Service, before: Mapping[str, Route]) -> Service:
    """`service`, whose subscription has not reached discovery yet, with the endpoints that it had."""
    if not any(not route.service.unsubscribed for route in before.values()):
        return service
    known = {key: route.port.endpoints for key, route in before.items()}
    ports = tuple(replace(port, endpoints=known.get(port.key, ())) for port in service.ports)
    return replace(service, ports=ports, unsubscribed=False)


def _alike(one: Service, other: Service) -> bool:
    """Whether two versions of a service differ in their ports at most."""
    return replace(one, ports=other.ports) == other
