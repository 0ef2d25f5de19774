"""Builds the table in force from updates.

An update is installed in two phases: all of it is built without side effects, then it is put in force at once. A
rejected update changes nothing. What does not change is kept: the handlers of a service port while its policies are
the same, the state of each policy while its settings are.
"""

import dataclasses
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from nodeproxy.exchange.exchange import Handler
from nodeproxy.mesh import names
from nodeproxy.mesh.callers import Callers
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.subscriptions import Subscriptions
from nodeproxy.mesh.wire import Callers as CallersSnapshot
from nodeproxy.mesh.wire import Drop, Fresh, PolicyMaps, Put, Replace, Update, Watches
from nodeproxy.policies.registry import BUILT_IN, Registry
from nodeproxy.policies.table import SharedSettings
from nodeproxy.table.arms import arms
from nodeproxy.table.chains import Chains, Part
from nodeproxy.table.makers import Makers, Settings, States
from nodeproxy.table.rules import Before, RuleBuilder, Rules, forget_others
from nodeproxy.table.states import states_of
from nodeproxy.table.table import NoTable, PodRoutes, Route, Table
from nodeproxy.telemetry.stats import RouteStats


class Live:
    """Holds the table and the other snapshots from discovery, and installs updates."""

    def __init__(
        self,
        makers: Makers,
        now: Callable[[], float],
        namespace: str,
        callers: Callers,
        cluster_domain: str = names.CLUSTER_DOMAIN,
        also_zones: tuple[str, ...] = (),
        registry: Registry = BUILT_IN,
    ) -> None:
        self.table: Table = NoTable()
        self.callers = callers
        self.subscriptions = Subscriptions(now)
        self.confirmed_at: float | None = None
        """When discovery last confirmed that the table is current, monotonic seconds; None before the first."""
        self._makers = makers
        self._now = now
        self._namespace = namespace
        self._cluster_domain = cluster_domain
        self._also_zones = also_zones
        self._on_demand = False
        self.registry = registry
        self._settings = SharedSettings(registry)
        self._chains = Chains(makers, registry)
        self._rules = RuleBuilder(makers, self._chains, self._settings)
        self._pods = PodRoutes(self._route_of_pod)

    @property
    def ready(self) -> bool:
        """Whether there is a table."""
        return self.confirmed_at is not None

    def install(self, update: Update) -> bool:
        """Put `update` in force, whole; returns whether it concerns the table.

        Raises:
            PolicyRefused: a service's policies are not valid; nothing has changed.
        """
        if isinstance(update, CallersSnapshot):
            self.callers.install(update.callers)
            return False
        if isinstance(update, Watches | PolicyMaps):  # for the pages of the control process
            return False
        return self._install(update)

    def _install(self, update: Replace | Put | Drop | Fresh) -> bool:
        if isinstance(update, Replace):
            built = {service.key: self._routes_of(service) for service in update.services}
            self._on_demand = update.on_demand
            before, self.table = self.table, Table(built, self._namespace, self._cluster_domain, self._also_zones)
            self._put_in_force(before.routes, built)
        elif isinstance(update, Put):
            routes = self._routes_of(update.service)
            self._put_in_force(self.table.put(update.service.key, routes), {update.service.key: routes})
        elif isinstance(update, Drop):
            self._put_in_force(self.table.drop(update.key), {})
        self.confirmed_at = self._now() - (update.age_s if isinstance(update, Replace) else 0.0)
        return not isinstance(update, Fresh)

    def _put_in_force(self, before: Mapping[str, "Routes"], after: Mapping[str, "Routes"]) -> None:
        """Install what has changed from `before` to `after`, and dismiss what has gone."""
        for key, routes in after.items():
            old = before.get(key, {})
            for port, route in routes.items():
                if old.get(port) is not route:
                    self._makers.install(route.service, route.port, route.settings, route.states)
                    if route.rules is not None or (port in old and old[port].rules is not None):
                        forget_others(route.stats, route.rules, route.trial.rules if route.trial else None)
            if self._on_demand and any(not route.service.unsubscribed for route in routes.values()):
                self.subscriptions.want(key)  # another subscriber may end: this worker ends its own subscription
        for key, routes in before.items():
            for port, route in routes.items():
                if port not in after.get(key, {}):
                    self._makers.remove(route.name)
                    self._pods.forget(route.name)

    def _routes_of(self, service: Service) -> "Routes":
        before = self.table.routes.get(service.key, {})
        service = replace(service, policies=self._settings.of(service.policies)[0])
        if service.unsubscribed and service.key in self.subscriptions:
            service = _still_subscribed(service, before)
        return {port.key: self._route_or_arms(service, port, before.get(port.key)) for port in service.ports}

    def _route_or_arms(self, service: Service, port: Port, before: Route | None) -> Route:
        """The route, with that of a table on trial beside it."""
        if before is not None and before.port == port and _alike(before.service, service):
            return before
        trial, last_good, new = service.trial, before, None
        if before is not None and before.last_good is not None and before.trial is not None:
            last_good, new = before.last_good, before.trial
            if new.settings == self._settings.of(service.policies)[1]:
                last_good = new  # it has become the last good one, with what it has learnt
        route = self._route(service, port, last_good)
        if trial is None or not trial.percentage or trial.last_good is not None:
            return route
        changed = self._route(replace(service, policies=trial.policies), port, new or route)
        return arms(route, changed, trial.percentage)

    def _route(self, service: Service, port: Port, before: Route | None) -> Route:
        settings = self._settings.of(service.policies)[1]
        if before is not None and before.settings == settings and before.port.protocol == port.protocol:
            return dataclasses.replace(before, service=service, port=port)
        stats = before.stats if before is not None else RouteStats(f"{service.key}:{port.key}")
        part = Part(service, port, settings, {}, stats)
        kept: tuple[Settings, States] = ({}, {}) if before is None else (before.settings, before.states)
        part = dataclasses.replace(part, states=states_of(part, self._chains, *kept))
        rules = self._rules.of(part, Before({}, None) if before is None else Before(before.settings, before.rules))
        return Route(
            service,
            port,
            settings,
            self._requests(part, rules, ""),
            stats,
            part.states,
            self._pods,
            self._chains.connect(part, ""),
            self._chains.datagrams(part),
            rules,
        )

    def _route_of_pod(self, whole: Route, pod: str) -> Route:
        part = Part(whole.service, whole.port, whole.settings, whole.states, whole.stats)
        handler, connect = self._requests(part, whole.rules, pod), self._chains.connect(part, pod)
        return Route(part.service, part.port, part.settings, handler, part.stats, part.states, connect=connect)

    def _requests(self, part: Part, rules: Rules | None, pod: str) -> Handler:
        handler = self._chains.requests(part, pod)
        return handler if rules is None else self._rules.handler(part, rules, handler, pod)


Routes = Mapping[str, Route]


def _still_subscribed(service: Service, before: Routes) -> Service:
    """`service` with the endpoints it had: discovery has not (yet) received this worker's subscription."""
    if not any(not route.service.unsubscribed for route in before.values()):
        return service
    known = {key: route.port.endpoints for key, route in before.items()}
    ports = tuple(replace(port, endpoints=known.get(port.key, ())) for port in service.ports)
    return replace(service, ports=ports, unsubscribed=False)


def _alike(one: Service, other: Service) -> bool:
    """Whether a route of one is a route of the other, its port aside."""
    return replace(one, ports=other.ports) == other
