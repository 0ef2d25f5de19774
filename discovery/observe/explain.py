"""What is in force for a service, and why: what its ports speak, where each field of its policies is written. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from discovery.kubernetes.services import ServicePort
from discovery.observe.origins import Origins
from discovery.policies.layers import Written
from discovery.policies.table import Table
from discovery.problem import path_text
from discovery.services.protocol_selection import selection_of, transport_of
from nodeproxy.mesh.duration import duration_text
from nodeproxy.mesh.model import Port, Service, port_key
from nodeproxy.mesh.service_view import FieldView, LayerView, PolicyView, PortExplained
from nodeproxy.mesh.unserved import unserved
from nodeproxy.policies.block import Block
from nodeproxy.policies.registry import BUILT_IN, Registry
from nodeproxy.policies.table import settings_of

DEFAULT = "built-in default"
LAST_GOOD = "last good state"


def policies_in_force(
    policies: Table, written: Sequence[Written], ports: Sequence[Port] = (), registry: Registry = BUILT_IN
) -> tuple[PolicyView, ...]:
    """Every policy in force, in the order of `registry`; `policies` is what the tables in `written` are merged to.

    A field of `policies` that none of them has is from the last good state on disk. `ports` are those of the service.
    """
    settings, origins = settings_of(policies, registry), Origins(written, registry)
    return tuple(
        PolicyView(
            policy.name,
            tuple(
                _field(below, part, policies, origins)
                for path, value in _leaves(settings[policy.name], (policy.name,))
                for below, part in _parts(path, value, origins)
            ),
            tuple(port.key for port in ports if policy.acts_on(port)),
        )
        for policy in registry.chain
        if policy.name in settings
    )


def layers_in_force(written: Sequence[Written]) -> tuple[LayerView, ...]:
    """The tables that are merged, in their order."""
    return tuple(LayerView(_name_of(each), each.key, layer_of(each.scope)) for each in written)


def layer_of(scope: str) -> str:
    """The services that a scope is for, in words."""
    name, _, namespace = scope.partition(".")
    if name != "_default":
        return f"service {name}.{namespace}"
    return f"namespace {namespace}" if namespace else "mesh"


def port_explained(service: Service, port: Port, origin: str = LAST_GOOD) -> PortExplained:
    """One port, what has decided its protocol, and what an operator should know of it."""
    note, where = unserved(service, port), _where(service, port)
    if not note:
        note = "" if service.unsubscribed or port.endpoints else _no_endpoint(service)
    count = len(port.endpoints)
    return PortExplained(port.key, port.name, port.protocol, bool(where), count, note, origin, where)


def origins_of(ports: Iterable[ServicePort], policies: Table) -> dict[str, str]:
    """What has decided the protocol of each port, by its key."""
    return {port_key(port.port, transport_of(port.protocol)): selection_of(port, policies).origin for port in ports}


def _where(service: Service, port: Port) -> str:
    """Where clients reach a port, "" where they do not."""
    if unserved(service, port):
        return ""
    address = service.virtual_address
    at = f"[{address}]:{port.number}" if ":" in address else f"{address}:{port.number}"
    by_name = {"http": "by name", "http2": "by name", "detect": "HTTP by name"}.get(port.protocol, "")
    return " and ".join(filter(None, (by_name, f"at {at}" if address else "")))


def _no_endpoint(service: Service) -> str:
    if service.only_local:
        return "internalTrafficPolicy is Local and no endpoint on this node is ready"
    return "no endpoint is ready; check its pods and EndpointSlices"


def _leaves(block: Block, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All fields with their values, as they are written."""
    for name, field in type(block).model_fields.items():
        value, below = getattr(block, name), (*path, field.alias or name)
        if isinstance(value, Block):
            yield from _leaves(value, below)
        else:
            yield below, _as_written(name, value)


def _as_written(name: str, value: Any) -> Any:  # noqa: ANN401  the YAML edge
    if isinstance(value, Block):
        model = type(value).model_fields
        return {field.alias or each: _as_written(each, getattr(value, each)) for each, field in model.items()}
    if isinstance(value, tuple):
        return [_as_written("", item) for item in value]
    return duration_text(value) if name.endswith("_s") and isinstance(value, float) else value


def _parts(path: tuple[str, ...], value: Any, origins: Origins) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401
    """A value, or those of a mapping of names, which are merged one by one."""
    if isinstance(value, Mapping) and origins.is_mapping(path):
        for key, below in value.items():
            yield from _parts((*path, key), below, origins)
    else:
        yield path, value


def _field(path: tuple[str, ...], value: Any, policies: Table, origins: Origins) -> FieldView:  # noqa: ANN401
    name, origin = path_text(path[1:]), origins.of(path)
    if origin is None:
        return FieldView(name, value, DEFAULT if _at(policies, path, origins.lists) is None else LAST_GOOD, "", "")
    each = origin.written
    return FieldView(name, value, str(each.ref), each.key, layer_of(each.scope), origin.line, each.origin.file)


def _at(table: Mapping[str, Any], path: Sequence[str], lists: Mapping[str, str]) -> Any:  # noqa: ANN401
    """The value at `path`, None where there is none; null overrides nothing, see `nodeproxy.policies.merge`."""
    found: Any = table
    for step in path:
        bare = isinstance(found, list) and step == lists.get(path[0])
        found = found if bare else found.get(step) if isinstance(found, Mapping) else None
    return found


def _name_of(written: Written) -> str:
    name = f"{written.ref.namespace}/{written.ref.name}"
    return name if written.ref.kind == "ConfigMap" else str(written.ref)
