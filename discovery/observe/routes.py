"""/routes?service=…: the rules of a service in their order, and how often each was chosen."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from discovery.observe.lookup import NotFound, service_asked
from discovery.observe.pages import JSON
from discovery.observe.rule_words import action_words, match_words
from discovery.observe.server import Asked, Page
from discovery.rollouts.rollouts import described
from discovery.workers.publish import Publisher
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.reports import PortCounters, PortKey
from nodeproxy.mesh.routes_view import CanaryView, PortRoutes, RoutesView, RuleView, TargetView
from nodeproxy.policies.registry import BUILT_IN, Registry
from nodeproxy.policies.route_rules import Rule
from nodeproxy.policies.routes import RoutesSettings
from nodeproxy.policies.split import SplitSettings
from nodeproxy.policies.table import settings_of
from nodeproxy.policies.targets import Target, resolved

Chosen = Mapping[tuple[str, str], int]
"""Decisions so far by policy and outcome."""


class RoutesPage:
    """The page, a `RoutesView`."""

    def __init__(self, publisher: Publisher, registry: Registry = BUILT_IN) -> None:
        self._publisher = publisher
        self._registry = registry

    async def __call__(self, asked: Asked) -> Page:
        """The page."""
        try:
            service, number = await service_asked(asked, self._publisher.services)
        except NotFound as error:
            return error.page
        ports = (port for port in service.ports if number in (0, port.number) and port.takes_requests)
        view = RoutesView(
            service.namespace,
            service.name,
            tuple(routes_of(service, port, self._counters(service, port), self._registry) for port in ports),
            "" if service.trial is None else described(service.trial),
        )
        return Page(200, msgspec.json.encode(view) + b"\n", JSON)

    def _counters(self, service: Service, port: Port) -> PortCounters:
        return self._publisher.reports.counters_of([PortKey(service.namespace, service.name, port.key)])


def routes_of(service: Service, port: Port, counters: PortCounters, registry: Registry = BUILT_IN) -> PortRoutes:
    """The rules of one port; where a changed table is on trial, those of the changed one."""
    policies = service.policies if service.trial is None else service.trial.policies
    settings = settings_of(policies, registry)
    routes, split = settings.get("routes"), settings.get("split")
    chosen = {(each.policy, each.outcome): number for each, number in counters.decisions}
    own = split.targets if isinstance(split, SplitSettings) else ()
    some = isinstance(routes, RoutesSettings)
    return PortRoutes(
        port.key,
        routes.mode if isinstance(routes, RoutesSettings) else "enforce",
        tuple(_rules(routes, service, port, chosen)) if isinstance(routes, RoutesSettings) else (),
        _targets(own, service, port, chosen),
        sum(number for _, number in counters.requests),
        chosen.get(("routes", "to-canary"), 0) if some else 0,
        chosen.get(("routes", "canary-unavailable"), 0) if some else 0,
    )


def _rules(routes: RoutesSettings, service: Service, port: Port, chosen: Chosen) -> Iterator[RuleView]:
    for number, rule in enumerate(routes.rules, 1):
        name = rule.name or str(number)
        yield RuleView(
            name,
            tuple(map(match_words, rule.match)),
            chosen.get(("routes", name), 0),
            _targets(rule.split, service, port, chosen),
            _canary(rule, service, port),
            tuple(action_words(rule)),
            rule.model_dump(mode="json", by_alias=True, exclude_unset=True),
        )


def _targets(targets: Sequence[Target], service: Service, port: Port, chosen: Chosen) -> tuple[TargetView, ...]:
    whole = sum(target.weight for target in targets) or 1
    named = [(resolved(target, service, port).name, target.weight) for target in targets]
    return tuple(TargetView(name, weight, weight / whole, chosen.get(("split", name), 0)) for name, weight in named)


def _canary(rule: Rule, service: Service, port: Port) -> CanaryView | None:
    canary = rule.canary
    if canary is None:
        return None
    return CanaryView(resolved(canary, service, port).name, canary.requests_per_second, canary.scope)
