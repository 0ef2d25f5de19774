"""Converts v1 Endpoints of a folder to the slices that a cluster would create. Pure.

A cluster mirrors the Endpoints of a Service without a selector. Those of a Service with a selector duplicate its slices
and are not used. Unused Endpoints are reported, each with the reason.
Source: Kubernetes, pkg/controller/endpointslicemirroring (KEP-752).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from discovery.kubernetes.endpoints import (
    SERVICE_NAME_LABEL,
    Conditions,
    Endpoints,
    EndpointSlice,
    EndpointSubset,
    SliceEndpoint,
)
from discovery.kubernetes.objects import Metadata, Ref
from discovery.kubernetes.services import WrittenService
from discovery.problem import Problem, Severity
from discovery.sources.external.slices import is_external
from discovery.sources.folder.file_text import Found

SKIP_LABEL = "endpointslice.kubernetes.io/skip-mirror"
LEADER_ANNOTATION = "control-plane.alpha.kubernetes.io/leader"  # a leader election lock stored as Endpoints


class Unused(NamedTuple):
    """The reason why Endpoints are not mirrored; a note if that is expected."""

    reason: str
    severity: Severity = "warning"


def mirrored(objects: Mapping[Ref, Found]) -> tuple[dict[Ref, Found], list[Problem]]:
    """`objects` with slices in place of Endpoints, and a problem for each unused Endpoints object."""
    sliced = {found.object.service_key for found in objects.values() if isinstance(found.object, EndpointSlice)}
    result: dict[Ref, Found] = {}
    problems = []
    for ref, found in objects.items():
        if not isinstance(found.object, Endpoints):
            result[ref] = found
            continue
        service = objects.get(ref._replace(kind="Service"))
        unused = _unused(found.object, service.object if service is not None else None, sliced)
        if unused is None:
            for each in _slices(found.object):
                result[Ref("EndpointSlice", ref.namespace, each.metadata.name)] = Found(each, found.origin)
        else:
            message = f"{unused.reason}; these endpoints are not used"
            problems.append(Problem(message, found.origin, str(ref), ("subsets",), severity=unused.severity))
    return result, problems


def _unused(endpoints: Endpoints, service: object, sliced: set[str]) -> Unused | None:
    """The reason why they are not mirrored, None if they are."""
    if (endpoints.metadata.labels or {}).get(SKIP_LABEL) == "true":
        return Unused(f"the label {SKIP_LABEL} says that its writer makes the slices", "note")
    if LEADER_ANNOTATION in (endpoints.metadata.annotations or {}):
        return Unused(f"the annotation {LEADER_ANNOTATION} says that it is a lock", "note")
    if not isinstance(service, WrittenService):
        return Unused(f"there is no Service {endpoints.key}")
    if endpoints.key in sliced:
        return Unused(f"there are EndpointSlices of {endpoints.key}, and those count", "note")
    if is_external(service):
        return Unused(f"Service {endpoints.key} is an ExternalName: it has the addresses of its name")
    if service.spec.selector:
        cure = "export its EndpointSlices too, or leave the selector out"
        return Unused(f"Service {endpoints.key} has a selector, so that a cluster makes slices of its pods: {cure}")
    return None


def _slices(endpoints: Endpoints) -> Iterator[EndpointSlice]:
    """A slice per subset and family; "#" is not allowed in names, so these do not collide."""
    namespace, _, name = endpoints.key.partition("/")
    for index, subset in enumerate(endpoints.subsets or ()):
        for family in ("IPv4", "IPv6"):
            found = [each for each in _endpoints(subset) if (":" in each.addresses[0]) == (family == "IPv6")]
            if found:
                metadata = Metadata(f"{name}#{index}-{family}", namespace, {SERVICE_NAME_LABEL: name})
                yield EndpointSlice(metadata=metadata, address_type=family, ports=subset.ports, endpoints=found)


def _endpoints(subset: EndpointSubset) -> Iterator[SliceEndpoint]:
    for ready, addresses in ((True, subset.addresses), (False, subset.not_ready_addresses)):
        for each in addresses or ():
            yield SliceEndpoint(
                [each.ip], Conditions(ready), each.node_name, hostname=each.hostname, target_ref=each.target_ref
            )
