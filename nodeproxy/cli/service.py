"""Shows what the control process answers about one service."""

from collections.abc import Iterable, Iterator

import msgspec
from rich.table import Table

from nodeproxy.cli.node import table
from nodeproxy.mesh.service_view import (
    EndpointsView,
    Explained,
    FieldView,
    InWorker,
    PolicyView,
    PortEndpointsView,
    RequestView,
)

FULL_WEIGHT = 0.995  # shown as 100 %


def endpoints_shown(text: bytes) -> Iterator[Table | str]:
    """`endpoints` for a reader: a table for each port."""
    view = msgspec.json.decode(text, type=EndpointsView)
    for port in view.ports:
        yield _port_table(view, port)
        if port.note:
            yield port.note
        if port.left_out:
            yield f"{port.left_out} more endpoints are not shown"
    yield from (f"worker {number} did not answer in time: it is missing here" for number in view.silent)


def _port_table(view: EndpointsView, port: PortEndpointsView) -> Table:
    subsets = any(each.subsets for each in port.endpoints)
    made = table("endpoint", "distance", "zone", "node", "state", "active", "idle", *(["subsets"] if subsets else []))
    ended = f", {port.connections} TCP connections ended" if port.connections else ""
    made.title = f"{view.service}.{view.namespace} port {port.port}, {port.requests} requests{ended}"
    for each in port.endpoints:
        states = {state_text(worker) for worker in each.workers}
        shown = states.pop() if len(states) == 1 else "differs by worker"
        numbers = (str(each.active), str(each.idle), *(["; ".join(each.subsets)] if subsets else []))
        made.add_row(each.address, str(each.distance), each.zone, each.node, shown, *numbers)
        for worker in each.workers if len(view.workers) > 1 else ():
            numbers = (str(worker.active), str(worker.idle))
            made.add_row(f"  worker {worker.worker}", "", "", "", state_text(worker), *numbers)
    return made


def state_text(endpoint: InWorker) -> str:
    """Whether the endpoint is chosen, and why not."""
    states = []
    if endpoint.ejected_s:
        why = f" ({endpoint.why})" if endpoint.why else ""
        states.append(f"ejected for {endpoint.ejected_s:.1f} s more{why}")
    if endpoint.unhealthy:
        states.append("unhealthy by probes")
    if endpoint.weight < FULL_WEIGHT:
        states.append(f"{endpoint.weight:.0%} of its share")
    state = " and ".join(states) or "usable"
    if endpoint.ejections:
        state += f" (ejected {endpoint.ejections} times so far)" if endpoint.ejections > 1 else " (ejected once so far)"
    return state


def explain_shown(text: bytes) -> Iterator[Table | str]:
    """`explain` for a reader: ports, policies, the tables they are merged from, what is refused."""
    view = msgspec.json.decode(text, type=Explained)
    ports = table("port", "name", "protocol", "decided by", "served", "endpoints", "note")
    ports.title = f"{view.service}.{view.namespace} at {view.virtual_address or 'no virtual address'}"
    for port in view.ports:
        endpoints = str(port.endpoints) if view.subscribed else "not followed"
        ports.add_row(port.port, port.name, port.protocol, port.origin, port.where or "no", endpoints, port.note)
    yield ports
    yield f"endpoints: {view.subscription}\n"
    if view.request is not None:
        yield from request_shown(view.request)
    yield from view.problems
    if view.rollout:
        yield f"rollout: {view.rollout}\n"
    if view.request is not None and view.request.policies:
        yield policies_shown(
            f"policies of rule {view.request.taken}, over those of the service", view, view.request.policies
        )
    policies = policies_shown("policies in force, in the order in which they act on a request", view, view.policies)
    layers = table("ConfigMap", "key", "for")
    layers.title = "merged from these tables, later ones overriding earlier ones"
    for layer in view.layers:
        layers.add_row(layer.configmap, layer.key, layer.layer)
    refused = table("refused ConfigMap", "problem", "instead")
    for each in view.refused:
        refused.add_row(each.configmap, each.problem, each.instead)
    yield from (each for each in (policies, layers, refused) if each.row_count)


def policies_shown(title: str, view: Explained, policies: Iterable[PolicyView]) -> Table:
    """Policies with every field, its value and where it is written."""
    made = table("policy", "ports", "field", "value", "origin")
    made.title = title
    for policy in policies:
        made.add_section()
        for index, field in enumerate(policy.fields):
            name, acts = ("", "") if index else (policy.name, acts_text(policy, view))
            made.add_row(name, acts, field.field, value_text(field.value), _origin(field))
    return made


def request_shown(request: RequestView) -> Iterator[Table | str]:
    """Which rule a request would take, and why not those above it."""
    rules = table("rule", "why not", "what becomes of its requests", "origin")
    rules.title = request.request
    for rule in request.rules:
        line = f" line {rule.line}" if rule.line is not None else ""
        origin = f"{rule.origin}, key {rule.key}{line}" if rule.origin else ""
        rules.add_row(rule.label, rule.failed or "it matches", rule.becomes, origin)
    if rules.row_count:
        yield rules
    took = f"takes rule {request.taken}: " if request.taken else ""
    yield f"{request.request}: {took}{request.becomes}"
    yield f"{request.remark}\n" if request.remark else ""


def acts_text(policy: PolicyView, view: Explained) -> str:
    """Which of the ports a policy acts on."""
    shown = [port.port for port in view.ports if port.port in policy.ports]
    if not shown:
        return "none"
    return "all" if len(shown) == len(view.ports) else ", ".join(shown)


def value_text(value: object) -> str:
    """A value as YAML's flow style has it, without what is empty within it; an empty list and null stay."""
    if isinstance(value, list):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, dict):
        items = ((name, value_text(item)) for name, item in value.items() if item is not None)
        return "{" + ", ".join(f"{name}: {text}" for name, text in items if text not in ("{}", "[]")) + "}"
    return "-" if value is None else str(value)


def _origin(field: FieldView) -> str:
    if not field.key:
        return field.origin
    word = "annotation" if field.origin.startswith("Service ") else "key"
    file, line = f" in {field.file}" if field.file else "", f" line {field.line}" if field.line is not None else ""
    return f"{field.origin}{file}, {word} {field.key}{line} ({field.layer})"
