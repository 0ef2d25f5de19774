"""The object in a decoded JSON or YAML document, or the fields whose types are wrong.

Reads no values; `admission` validates them.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from discovery.kubernetes.config_maps import ConfigMap
from discovery.kubernetes.endpoints import Endpoints, EndpointSlice
from discovery.kubernetes.objects import Ref
from discovery.kubernetes.pods import Node, Pod
from discovery.kubernetes.services import Service, WrittenService
from discovery.problem import Path, shown

KnownObject = Service | EndpointSlice | Endpoints | ConfigMap | Node | Pod

KINDS: Mapping[str, tuple[str, type[KnownObject]]] = {
    "Service": ("v1", WrittenService),
    "EndpointSlice": ("discovery.k8s.io/v1", EndpointSlice),
    "Endpoints": ("v1", Endpoints),
    "ConfigMap": ("v1", ConfigMap),
    "Node": ("v1", Node),
    "Pod": ("v1", Pod),
}


class Fault(NamedTuple):
    """A field and its fault."""

    path: Path
    message: str


class Refused(ValueError):
    """A refused object, with all its faults."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults


def ref_of(kind: str, value: Mapping[str, Any]) -> Ref | None:
    """The kind, namespace and name in `value`; None if its metadata is invalid."""
    metadata = value.get("metadata")
    if not isinstance(metadata, Mapping):
        return None
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not isinstance(name, str) or not name or not isinstance(namespace, str | None):
        return None
    return Ref(kind, namespace or "default", name)


def decoded(kind: str, value: Mapping[str, Any]) -> KnownObject:
    """The object in `value`, with fields of the right types.

    Raises:
        Refused: another version of the API, a missing field or a value of a wrong type.
    """
    version, struct = KINDS[kind]
    if value.get("apiVersion") != version:
        raise Refused([Fault(("apiVersion",), f"expected {version}, got {shown(value.get('apiVersion'))}")])
    try:
        return msgspec.convert(value, struct)
    except msgspec.ValidationError as error:
        raise Refused([_fault(str(error), value)]) from error


_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_STEP = re.compile(r"(\w+)|\[(\d+)\]|\[(\.\.\.)\]")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_EXPECTED = re.compile(r"Expected `(.+?)`")


def _fault(message: str, value: Any) -> Fault:  # noqa: ANN401  the document's root
    """The fault in a message of msgspec, with the value that msgspec leaves out."""
    place = _PLACE.search(message)
    path: Path = ()
    for word, index, any_key in _STEP.findall(place[1] if place else ""):
        # "[...]" is some value of a mapping; all mappings here are of strings
        step = word or (
            next(key for key, item in value.items() if not isinstance(item, str)) if any_key else int(index)
        )
        path = (*path, step)
        value = value[step]
    missing = _MISSING.match(message)
    if missing:
        return Fault((*path, missing[1]), "required, but missing")
    expected = _EXPECTED.match(message)
    return Fault(
        path, f"expected {expected[1].replace(' | null', '') if expected else 'something else'}, got {shown(value)}"
    )
