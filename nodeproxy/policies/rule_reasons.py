"""Which rule of `routes` a request would take, and why not those above it; what would become of it, in words."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nodeproxy.mesh.callers import UNKNOWN, Known
from nodeproxy.mesh.selectors import selector_text
from nodeproxy.policies.route_rules import PathChange, Rule, refusing
from nodeproxy.policies.routes import RoutesSettings, label_of
from nodeproxy.policies.targets import Destination
from nodeproxy.protocol.fields import FieldRefused, Fields
from nodeproxy.protocol.message import NotSendable, Request
from nodeproxy.routing.reasons import reasons


class NoRequest(ValueError):
    """What was asked about cannot be a request; the text says why."""


class Supposed(NamedTuple):
    """A request that might be sent."""

    method: str = "GET"
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    caller: tuple[str, str] = ("", "")
    """Namespace and workload; empty for a client that is no pod of the node."""


class RuleReason(NamedTuple):
    """One rule, and the first of its conditions that a request fails; "" for the rule that it takes."""

    number: int
    label: str
    failed: str


def looked_at(settings: RoutesSettings, supposed: Supposed, host: str) -> tuple[RuleReason, ...]:
    """The rules up to the one that a request takes, which is then the last; else all of them.

    Raises:
        NoRequest: its method, path or header fields are not those of a request.
    """
    found: list[RuleReason] = []
    namespace, workload = supposed.caller
    caller = Known(namespace, (namespace, workload)) if namespace else UNKNOWN
    rules = settings.rules
    failures = reasons([rule.match for rule in rules], request_of(supposed, host), caller, refusing(rules))
    for number, failed in enumerate(failures):
        found.append(RuleReason(number, label_of(settings.rules[number], number), failed or ""))
        if failed is None:
            break
    return tuple(found)


def request_of(supposed: Supposed, host: str) -> Request:
    """The request.

    Raises:
        NoRequest: see `looked_at`.
    """
    fields = Fields()
    authority = next((value for name, value in supposed.headers if name.lower() == "host"), host)
    try:
        for name, value in supposed.headers:
            if name.lower() != "host":
                fields.add(name.encode(), value.encode())
        if not supposed.path.startswith("/"):
            raise NoRequest(f"the path {supposed.path!r} does not begin with /")
        head = Fields(b"Host: %b\r\n%b" % (authority.encode(), fields.block()))
        return Request(supposed.method.encode(), authority.encode(), supposed.path.encode(), head)
    except (FieldRefused, NotSendable) as error:
        raise NoRequest(str(error)) from error


def what_becomes(rule: Rule) -> str:
    """What becomes of the requests of a rule."""
    return "; ".join(_parts(rule))


def shares(targets: Sequence[Destination]) -> str:
    """The targets of a split with their weights."""
    return ", ".join(f"{getattr(each, 'weight', 1)} to {_place(each)}" for each in targets)


def _parts(rule: Rule) -> Iterator[str]:
    if rule.redirect is not None:
        to = rule.redirect
        where = (to.scheme or "", to.host or "", str(to.port or ""), _path(to.path))
        yield f"redirect, status {to.status}: {' '.join(filter(None, where)) or 'the same address'}"
        return
    if rule.direct_response is not None:
        yield f"answered with status {rule.direct_response.status}"
        return
    if rule.canary is not None:
        yield f"at most {rule.canary.requests_per_second:g} per second to {_place(rule.canary)}"
    yield f"split by weight: {shares(rule.split)}" if rule.split else "to the service, or as its policy split says"
    if rule.rewrite is not None:
        yield " ".join(filter(None, ("rewritten:", _path(rule.rewrite.path), rule.rewrite.host or "")))
    if rule.policies:
        yield f"with its own {', '.join(sorted(rule.policies))}"


def _place(destination: Destination) -> str:
    name = f"{destination.service or 'the service itself'}"
    name += f".{destination.namespace}" if destination.namespace else ""
    name += f":{destination.port}" if destination.port else ""
    return f"{name} with {selector_text(destination.labels)}" if destination.labels else name


def _path(change: PathChange | None) -> str:
    if change is None:
        return ""
    if change.full is not None:
        return f"path {change.full}"
    return f"prefix {change.prefix}" if change.prefix is not None else f"pattern {change.regex}"
