"""The rules of a service port's routes: the settings, states and handler of each, kept while they do not change."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from nodeproxy.exchange.exchange import Handler
from nodeproxy.policies.canary import Pace, pace_name
from nodeproxy.policies.compiled_routes import CompiledRoutes, compiled
from nodeproxy.policies.route_rules import Rule
from nodeproxy.policies.routes import RoutesSettings
from nodeproxy.policies.rule_policies import ROUTES, rule_table
from nodeproxy.policies.split import SplitSettings
from nodeproxy.policies.table import SharedSettings
from nodeproxy.table.chains import Chains, Part
from nodeproxy.table.makers import Makers, Settings, States
from nodeproxy.table.router import RehearsedRoutes, RoutedRequests, Step, answering
from nodeproxy.table.states import states_of
from nodeproxy.telemetry.stats import RouteStats

OWN_OUTCOMES = {"to-canary", "canary-unavailable"}
"""Decisions that no rule is named for."""


class RuleInForce(NamedTuple):
    """One rule, with the policies of its requests."""

    rule: Rule
    settings: Settings
    own: States
    """The states that are not those of the service, by policy; that of its canary under `routes`."""


class Rules(NamedTuple):
    """The rules of a service port."""

    compiled: CompiledRoutes
    by_label: Mapping[str, RuleInForce]
    """In their order; none in shadow mode, in which their handlers are not used."""


class Before(NamedTuple):
    """What a port had before."""

    settings: Settings
    rules: Rules | None


def forget_others(stats: RouteStats, *in_force: Rules | None) -> None:
    """Drop the counts of rules that are not among these any more: operators may name rules without end."""
    labels = OWN_OUTCOMES.union(*({each.label for each in rules.compiled.rules} for rules in in_force if rules))
    gone = [key for key in stats.decisions if key[0] == ROUTES and key[1] not in labels]
    for key in gone:
        del stats.decisions[key]


class RuleBuilder:
    """Builds the rules of ports, without side effects."""

    def __init__(self, makers: Makers, chains: Chains, settings: SharedSettings) -> None:
        self._makers = makers
        self._chains = chains
        self._settings = settings

    def of(self, whole: Part, before: Before) -> Rules | None:
        """The rules of the service port with the policies `whole`; None where it has none, or takes no requests."""
        routes = whole.settings.get(ROUTES)
        if not isinstance(routes, RoutesSettings) or not whole.port.takes_requests:
            return None
        same = before.settings.get(ROUTES) == routes
        ready = before.rules.compiled if before.rules is not None and same else compiled(routes)
        if routes.mode == "shadow":
            return Rules(ready, {})
        known = before.rules.by_label if before.rules is not None else {}
        labels = [each.label for each in ready.rules]
        by_label = {
            label: self._in_force(whole, rule, label, known.get(label))
            for label, rule in zip(labels, routes.rules, strict=True)
        }
        return Rules(ready, by_label)

    def handler(self, whole: Part, rules: Rules, otherwise: Handler, pod: str) -> Handler:
        """The handler of all requests; of those that no rule matches, `otherwise`. `pod`: see `Makers.upstream`."""
        compiled, by_label = rules
        decisions = whole.decisions(ROUTES)
        if decisions.shadow:
            return RehearsedRoutes(compiled.router, [each.label for each in compiled.rules], otherwise, decisions)
        steps = []
        for each in compiled.rules:
            handler = otherwise
            if each.respond is None:
                handler = self._of_rule(whole, each.label, by_label[each.label], otherwise, pod)
            counted = (ROUTES, each.label, decisions.mode)
            steps.append(Step(each.label, counted, each.edit, answering(each, handler)))
        return RoutedRequests(compiled.router, steps, otherwise, whole.stats.decisions)

    def _in_force(self, whole: Part, rule: Rule, label: str, before: RuleInForce | None) -> RuleInForce:
        settings = self._settings_of(whole, rule)
        if settings is whole.settings:
            return RuleInForce(rule, settings, {})
        part = dataclasses.replace(whole, settings=settings, states={}, label=label)
        shared = {name: state for name, state in whole.states.items() if settings.get(name) == whole.settings.get(name)}
        kept: tuple[Settings, States] = ({}, {}) if before is None else (before.settings, before.own)
        states = states_of(part, self._chains, *kept, shared)
        own: dict[str, Any] = {name: state for name, state in states.items() if name not in shared}
        if rule.canary is not None:
            own[ROUTES] = self._pace(whole, rule, label, before)
        return RuleInForce(rule, settings, own)

    def _settings_of(self, whole: Part, rule: Rule) -> Settings:
        settings: Settings = whole.settings
        if rule.policies:
            settings = self._settings.of(rule_table(whole.service.policies, rule.policies))[1]
        if rule.split:
            settings = {**settings, "split": SplitSettings.model_construct(targets=rule.split, mode="enforce")}
        return dict(settings) if rule.canary is not None and settings is whole.settings else settings

    def _pace(self, whole: Part, rule: Rule, label: str, before: RuleInForce | None) -> Pace:
        if before is not None and before.rule.canary == rule.canary:
            kept: Pace = before.own[ROUTES]
            return kept
        assert rule.canary is not None  # checked by the caller
        return Pace(pace_name(whole.stats.service_port, label), rule.canary, self._chains.tools(whole, ROUTES))

    def _of_rule(self, whole: Part, label: str, rule: RuleInForce, otherwise: Handler, pod: str) -> Handler:
        """The handler of its policies; that of the service, `otherwise`, where the rule has none of its own."""
        if rule.settings is whole.settings or (pod and not rule.rule.policies):
            return otherwise
        shared = {name: state for name, state in whole.states.items() if name in rule.settings}
        part = dataclasses.replace(whole, settings=rule.settings, states={**shared, **rule.own}, label=label)
        make, innermost = self._makers.routed, None
        if make is not None and not pod and (rule.rule.canary is not None or rule.rule.sticky is not None):
            innermost = make(part.service, part.port, part.settings, part.states, rule.rule)
        return self._chains.requests(part, pod, innermost)
