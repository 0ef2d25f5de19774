"""Builds the table in force from updates.

An update is installed in two phases: all of it is built without side effects, then it is put in force at once. A
rejected update changes nothing. What does not change is kept: the handlers of a service port while its policies are
the same, the state of each policy while its settings are.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Handler, Place, Tools
from nodeproxy.mesh import names
from nodeproxy.mesh.callers import Callers
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.subscriptions import Subscriptions
from nodeproxy.mesh.wire import Callers as CallersSnapshot
from nodeproxy.mesh.wire import Drop, Fresh, PolicyMaps, Put, Replace, Update, Watches
from nodeproxy.policies import CHAIN, CONNECTION_CHAIN
from nodeproxy.policies.block import Policy, PolicySettings
from nodeproxy.policies.filters import Admission, Filters, OnRequest
from nodeproxy.policies.table import SharedSettings
from nodeproxy.policies.targets import Resolved
from nodeproxy.table.no_requests import no_requests
from nodeproxy.table.table import NoTable, PodRoutes, Route, Table
from nodeproxy.telemetry.stats import RouteStats
from nodeproxy.upstream.udp_upstream import UdpUpstream

Settings = Mapping[str, PolicySettings]
"""The settings of each policy in force for a service port, by its name."""
States = Mapping[str, Any]
"""The state of each policy of a service port that has one, by its name."""
_NO_STATES: States = {}


@dataclass(frozen=True, slots=True)
class Makers:
    """What the builder calls for the side of the endpoints."""

    upstream: Callable[[Service, Port, Settings, States, str], Handler]
    """Makes the innermost handler of a service port, or of the pod with this host name. Without side effects."""
    install: Callable[[Service, Port, Settings, States], None]
    """Puts the endpoints of a service port in force."""
    remove: Callable[[str], None]
    """Dismisses the endpoints of the service port with this name."""
    tools: Callable[[RouteStats, Decisions], Tools]
    """Makes the tools of one policy of a service port."""
    elsewhere: Callable[[Service, Port, Settings, Resolved], Handler] | None = None
    """Makes a handler that sends to this destination on behalf of a service port."""
    datagrams: Callable[[Service, Port, Settings, States, Admission], UdpUpstream] | None = None
    """Makes what chooses for the sessions of a UDP port. Without side effects."""


class Live:
    """Holds the table and the other snapshots from discovery, and installs updates."""

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
        self.confirmed_at: float | None = None
        """When discovery last confirmed that the table is current, monotonic seconds; None before the first."""
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
            before, self.table = self.table, Table(built, self._namespace, self._cluster_domain)
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
        return {port.key: self._route(service, port, before.get(port.key)) for port in service.ports}

    def _route(self, service: Service, port: Port, before: Route | None) -> Route:
        if before is not None and before.port == port and _alike(before.service, service):
            return before
        settings = self._settings.of(service.policies)[1]
        if before is not None and before.settings == settings and before.port.protocol == port.protocol:
            return dataclasses.replace(before, service=service, port=port)
        stats = before.stats if before is not None else RouteStats(f"{service.key}:{port.key}")
        states = self._states(settings, before, stats)
        handler = self._requests(service, port, settings, states, stats, "")
        connect = self._connect(service, port, settings, states, stats, "")
        datagrams = self._datagrams(service, port, settings, states, stats) if port.transport == "udp" else None
        return Route(service, port, settings, handler, stats, states, self._pods, connect, datagrams)

    def _datagrams(
        self, service: Service, port: Port, settings: Settings, states: States, stats: RouteStats
    ) -> UdpUpstream | None:
        make = self._makers.datagrams
        if make is None:
            return None
        segment = [policy for policy in CHAIN if "datagrams" in policy.touches and policy.name in settings]
        return make(service, port, settings, states, Admission(_on_request(segment, settings, states, stats)))

    def _requests(
        self, service: Service, port: Port, settings: Settings, states: States, stats: RouteStats, pod: str
    ) -> Handler:
        return self._handler(service, port, settings, states, stats, pod, CHAIN) if port.takes_requests else no_requests

    def _connect(
        self, service: Service, port: Port, settings: Settings, states: States, stats: RouteStats, pod: str
    ) -> Handler | None:
        if not port.takes_connections:
            return None
        return self._handler(service, port, settings, states, stats, pod, CONNECTION_CHAIN)

    def _handler(
        self,
        service: Service,
        port: Port,
        settings: Settings,
        states: States,
        stats: RouteStats,
        pod: str,
        chain: Sequence[Policy],
    ) -> Handler:
        """The innermost handler inside of the policies of `chain`."""
        handler = self._makers.upstream(service, port, settings, states, pod)
        for policy in chain:
            if policy.wrap_attempt is not None and policy.name in settings:
                tools = self._tools(stats, policy.name, settings, states)
                handler = policy.wrap_attempt(settings[policy.name], handler, tools)
        segment: list[Policy] = []  # policies that do not wait, of which none that waits stands between
        for policy in reversed(chain):
            if policy.name not in settings:
                continue
            if policy.on_request is not None or policy.on_response is not None:
                segment.insert(0, policy)
            if policy.wrap is not None:
                inner = _filtered(segment, settings, states, stats, handler)
                tools = self._with_elsewhere(self._tools(stats, policy.name, settings, states), service, port, settings)
                wrapped = policy.wrap(settings[policy.name], inner, tools, states.get(policy.name))
                if wrapped is not inner:
                    handler, segment = wrapped, []
        return _filtered(segment, settings, states, stats, handler)

    def _route_of_pod(self, whole: Route, pod: str) -> Route:
        handler = self._requests(whole.service, whole.port, whole.settings, whole.states, whole.stats, pod)
        connect = self._connect(whole.service, whole.port, whole.settings, whole.states, whole.stats, pod)
        return Route(whole.service, whole.port, whole.settings, handler, whole.stats, whole.states, connect=connect)

    def _states(self, settings: Settings, before: Route | None, stats: RouteStats) -> States:
        """The states for these settings: those of the route `before` where the settings are the same."""
        states = {}
        for policy in CHAIN:
            if policy.state is None or policy.name not in settings:
                continue
            state = before.states.get(policy.name) if before is not None else None
            if before is None or state is None or before.settings.get(policy.name) != settings[policy.name]:
                state = policy.state(settings[policy.name], state, self._tools(stats, policy.name, settings))
            if state is not None:
                states[policy.name] = state
        return states

    def _tools(self, stats: RouteStats, policy: str, settings: Settings, states: States = _NO_STATES) -> Tools:
        tools = self._makers.tools(stats, _decisions(stats, policy, settings))
        return dataclasses.replace(tools, settings=settings, states=states)

    def _with_elsewhere(self, tools: Tools, service: Service, port: Port, settings: Settings) -> Tools:
        make = self._makers.elsewhere
        if make is None:
            return tools

        def elsewhere(place: Place) -> Handler:
            key = f"{place.namespace or service.namespace}/{place.service or service.name}"
            return make(service, port, settings, Resolved(f"{key}:{place.port or port.number}", place.labels))

        return dataclasses.replace(tools, elsewhere=elsewhere)


Routes = Mapping[str, Route]


def _filtered(
    segment: Sequence[Policy], settings: Settings, states: States, stats: RouteStats, inner: Handler
) -> Handler:
    """`inner` inside of the policies of `segment`, which do not wait: one handler, or `inner` itself."""
    on_request = _on_request(segment, settings, states, stats)
    on_response = [
        (policy.on_response, states.get(policy.name, settings[policy.name]))
        for policy in segment
        if policy.on_response is not None and (policy.observes or settings[policy.name].mode == "enforce")
    ]
    return Filters(on_request, on_response, inner) if on_request or on_response else inner


def _on_request(
    segment: Sequence[Policy], settings: Settings, states: States, stats: RouteStats
) -> Sequence[OnRequest]:
    return [
        (policy.on_request, states.get(policy.name, settings[policy.name]), _decisions(stats, policy.name, settings))
        for policy in segment
        if policy.on_request is not None
    ]


def _decisions(stats: RouteStats, policy: str, settings: Settings) -> Decisions:
    return Decisions(stats.decisions, policy, settings[policy].mode, stats.service_port)


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
