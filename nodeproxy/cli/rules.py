"""Shows what the control process answers about the route rules of a service."""

from collections.abc import Iterator, Sequence

import msgspec
from rich.table import Table

from nodeproxy.cli.node import table
from nodeproxy.mesh.routes_view import PortRoutes, RoutesView, RuleView, TargetView

NO_RULES = "no rules, which the policy `routes` writes: every request goes to"


def routes_shown(text: bytes) -> Iterator[Table | str]:
    """`routes` for a reader: a table for each port."""
    view = msgspec.json.decode(text, type=RoutesView)
    if not view.ports:
        yield f"{view.service}.{view.namespace} has no HTTP port: rules are for requests"
    for port in view.ports:
        yield _port_table(view, port)
        if not port.rules:
            yield f"{NO_RULES} {'the targets of its `split`' if port.otherwise else 'the service itself'}\n"
        if port.mode == "shadow":
            yield "the rules are in shadow mode: they are counted, and the service itself serves all requests\n"
        if any(rule.canary for rule in port.rules):
            yield f"to canaries: {port.to_canary} tries; a canary was not available {port.canary_unavailable} times\n"
    if view.rollout:
        yield f"rollout: these rules are of a changed table, {view.rollout}\n"


def _port_table(view: RoutesView, port: PortRoutes) -> Table:
    made = table("rule", "matches", "requests", "goes to", "weight", "tries", "and")
    made.title = f"{view.service}.{view.namespace} port {port.port}, {port.requests} requests, first match wins"
    for rule in port.rules:
        made.add_section()
        _add(made, (rule.rule, " or\n".join(rule.match) or "every request", str(rule.matched)), rule.targets, rule)
    rest = port.requests - sum(rule.matched for rule in port.rules)
    _add(made, ("-", "no rule", str(max(0, rest))), port.otherwise, None)
    return made


def _add(made: Table, what: tuple[str, str, str], targets: Sequence[TargetView], rule: RuleView | None) -> None:
    actions = list(rule.actions) if rule is not None else []
    if rule is not None and rule.canary is not None:
        canary = rule.canary
        of = "" if canary.scope == "node" else " of the cluster"
        actions.insert(0, f"first {canary.requests_per_second:g} requests/s{of} to {canary.target}")
    words = "\n".join(actions)
    if not targets:
        answers = rule is not None and any(word.startswith(("redirect", "answers")) for word in rule.actions)
        made.add_row(*what, "no endpoint" if answers else "the service", "", "", words)
    for index, target in enumerate(targets):
        first = ("", "", "") if index else what
        share = f"{target.weight} ({target.share:.0%})"
        made.add_row(*first, target.target, share, str(target.chosen), "" if index else words)
