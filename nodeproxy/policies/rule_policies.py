"""Policies inside of a rule of `routes`: which may stand there, and what the rule's table is."""

from collections.abc import Mapping
from typing import Any

from nodeproxy.policies.block import Policy
from nodeproxy.policies.merge import merged

ROUTES = "routes"
_CURES = {
    ROUTES: "rules do not nest; write another rule, with the conditions of both",
    "split": "the field split of the rule itself says where its requests go",
}
_OF_CONNECTIONS = (
    "protocol",
    "proxyProtocol",
    "redis",
    "healthCheck",
    "connectionPool",
    "outlierDetection",
    "loadBalancer",
)
_OF_REQUESTS = ("retryBudget",)  # bounds the policies retries and hedging, which act on requests


def refusal(policy: Policy) -> str:
    """Why `policy` may not be one of a rule's, and what to do instead; "" if it may."""
    name = policy.name
    if name in _CURES:
        return f"a rule has no {name} among its policies: {_CURES[name]}"
    acts = policy.wrap or policy.on_request or policy.on_response or policy.wrap_attempt or name in _OF_REQUESTS
    if name in _OF_CONNECTIONS or not acts:
        return (
            f"{name} acts on endpoints or connections, which the requests of all rules share: write it at the service,"
            " beside routes; for other endpoints let the rule's split name a service of their own"
        )
    return ""


def rule_table(service: Mapping[str, Any], rule: Mapping[str, Any]) -> dict[str, Any]:
    """The policy table for the requests of a rule with the policies `rule`, of a service with the table `service`."""
    whole = {name: settings for name, settings in service.items() if name != ROUTES}
    return merged(whole, rule) if rule else whole
