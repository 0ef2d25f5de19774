"""The limits of the cluster that services ask for, by service port: of the policy rateLimit, and of rules of routes."""

from collections.abc import Iterator
from dataclasses import dataclass

from nodeproxy.mesh.model import Service
from nodeproxy.policies.canary import most_at_once, pace_name
from nodeproxy.policies.rate_limit import RateLimitSettings
from nodeproxy.policies.route_rules import Rule
from nodeproxy.policies.routes import RoutesSettings, label_of, rule_port
from nodeproxy.policies.rule_policies import ROUTES, rule_table
from nodeproxy.policies.table import settings_of

LIMIT = "rateLimit"


@dataclass(frozen=True, slots=True)
class ClusterLimit:
    """One limit: of `port`, named `<namespace>/<service>:<port>`, kept by `server`, a URL.

    That of a rule has the name of the port with the rule's label behind it, as the rule's own policies count.
    """

    port: str
    server: str
    rate: float
    """Requests per second."""
    burst: float


def limits_of(service: Service) -> Iterator[ClusterLimit]:
    """The limits of the cluster on the ports of `service`, whose policies are valid."""
    table = {name: service.policies[name] for name in (LIMIT, ROUTES) if name in service.policies}
    if not table:
        return
    settings = settings_of(table)
    whole, routes = settings.get(LIMIT), settings.get(ROUTES)
    rules = routes.rules if isinstance(routes, RoutesSettings) and routes.mode == "enforce" else ()
    for port in service.ports:
        if port.served:
            yield from _limit(f"{service.key}:{port.key}", whole)
        if port.takes_requests:
            for number, rule in enumerate(rules):
                yield from _limits_of_rule(f"{service.key}:{port.key}", label_of(rule, number), rule, service)


def _limits_of_rule(port: str, label: str, rule: Rule, service: Service) -> Iterator[ClusterLimit]:
    canary = rule.canary
    if canary is not None and canary.server is not None:
        rate = canary.requests_per_second
        yield ClusterLimit(pace_name(port, label), canary.server, rate, most_at_once(rate))
    if LIMIT in rule.policies:
        whole = {LIMIT: service.policies[LIMIT]} if LIMIT in service.policies else {}
        own = settings_of(rule_table(whole, {LIMIT: rule.policies[LIMIT]})).get(LIMIT)
        if not whole or own != settings_of(whole)[LIMIT]:  # the same settings have the limit of the service
            yield from _limit(rule_port(port, label), own)


def _limit(port: str, settings: object) -> Iterator[ClusterLimit]:
    asked = settings.global_ if isinstance(settings, RateLimitSettings) else None
    if asked is not None:
        yield ClusterLimit(port, asked.server, asked.requests_per_second, float(asked.burst))
