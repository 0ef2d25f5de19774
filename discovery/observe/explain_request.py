"""Which rule a request to a service would take, and why not those above it. Pure."""

from collections.abc import Mapping, Sequence

from discovery.observe.explain import policies_in_force
from discovery.observe.origins import Origins
from discovery.policies.layers import Written
from discovery.policies.table import lines_in
from nodeproxy.mesh.model import Caller, Service
from nodeproxy.mesh.service_view import PolicyView, RequestView, RuleView
from nodeproxy.policies.registry import BUILT_IN, Registry
from nodeproxy.policies.routes import RoutesSettings
from nodeproxy.policies.rule_policies import rule_table
from nodeproxy.policies.rule_reasons import NoRequest, Supposed, looked_at, shares, what_becomes
from nodeproxy.policies.split import SplitSettings
from nodeproxy.policies.table import settings_of

RULES = ("routes", "rules")
HEADERS_MOST = 100
NAMES = ("method", "path", "headers", "from")
"""The names of a query that asks about a request."""


class NotAsked(ValueError):
    """The query does not say what request is meant; the text has the cure."""


def supposed(query: Mapping[str, str], callers: Sequence[Caller]) -> tuple[Supposed, str]:
    """The request that a query asks about, and a remark on its caller.

    Raises:
        NotAsked: a header field without a colon, too many of them, or a caller that there is not.
    """
    lines = [line for line in query.get("headers", "").split("\n") if line]
    if len(lines) > HEADERS_MOST:
        raise NotAsked(f"more than {HEADERS_MOST} header fields")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise NotAsked(f"{line[:100]!r} is no header field; write one as --header 'x-user: jason'")
        headers.append((name.strip(), value.strip()))
    caller, remark = _caller(query.get("from", ""), callers)
    return Supposed(query.get("method") or "GET", query.get("path") or "/", tuple(headers), caller), remark


def request_explained(
    asked: Supposed, remark: str, service: Service, written: Sequence[Written], registry: Registry = BUILT_IN
) -> RequestView:
    """What would become of a request to a service with these policies.

    Raises:
        NotAsked: it cannot be a request.
    """
    settings, host = settings_of(service.policies, registry), f"{service.name}.{service.namespace}.mesh"
    routes, otherwise = settings.get("routes"), _otherwise(settings.get("split"))
    text = f"{asked.method} {asked.path} for {host}"
    if not isinstance(routes, RoutesSettings):
        return RequestView(text, remark, (), "", f"the service has no routes: {otherwise}")
    try:
        found = looked_at(routes, asked, host)
    except NoRequest as error:
        raise NotAsked(str(error)) from error
    origin = Origins(written, registry).of(RULES)
    table = origin.written if origin is not None else None
    lines = _lines(table, [each.number for each in found])
    views = tuple(
        RuleView(
            each.label,
            each.failed,
            what_becomes(routes.rules[each.number]),
            str(table.ref) if table is not None else "",
            table.key if table is not None else "",
            line,
        )
        for each, line in zip(found, lines, strict=True)
    )
    taken = views[-1] if not views[-1].failed else None
    becomes = taken.becomes if taken is not None else f"no rule matches: {otherwise}"
    if routes.mode == "shadow":
        becomes = f"{otherwise}; the routes are in shadow mode and change nothing (without it: {becomes})"
    own = routes.rules[found[-1].number].policies if taken is not None and routes.mode == "enforce" else {}
    policies: tuple[PolicyView, ...] = ()
    if own and taken is not None and table is not None:
        of_rule = table._replace(key=f"{table.key}, rule {taken.label}", table=own, text="")
        whole = rule_table(service.policies, own)
        in_force = policies_in_force(whole, (*written, of_rule), service.ports, registry)
        policies = tuple(each for each in in_force if each.name in own)
    return RequestView(text, remark, views, taken.label if taken is not None else "", becomes, policies)


def _lines(table: Written | None, numbers: Sequence[int]) -> list[int | None]:
    if table is None:
        return [None] * len(numbers)
    bare = isinstance(table.table.get(RULES[0]), list)
    return lines_in(table.text, [(*RULES[: 1 if bare else 2], number) for number in numbers])


def _otherwise(split: object) -> str:
    if isinstance(split, SplitSettings) and split.mode == "enforce":
        return f"split by weight: {shares(split.targets)}"
    return "it goes to the service itself"


def _caller(text: str, callers: Sequence[Caller]) -> tuple[tuple[str, str], str]:
    """Namespace and workload of a caller that is named by its pod's address, its workload or its pod."""
    if not text:
        return ("", ""), "no --from: the caller counts as no pod of this node"
    at = next((each for each in callers if each.address == text), None)
    if at is not None:
        return (at.namespace, at.workload), f"the pod at {text} is of {at.namespace}/{at.workload}"
    namespace, slash, name = text.partition("/")
    if not slash or not namespace or not name or "/" in name:
        raise NotAsked(f"no pod of this node has the address {text[:100]}; write NAMESPACE/WORKLOAD or NAMESPACE/POD")
    workloads = {each.workload for each in callers if each.namespace == namespace}
    if name in workloads:
        return (namespace, name), ""
    of_pod = max((each for each in workloads if name.startswith(f"{each}-")), key=len, default="")
    if of_pod:
        return (namespace, of_pod), f"the pod {name} is of the workload {of_pod}"
    return (namespace, name), f"no pod of this node is of {namespace}/{name}"
