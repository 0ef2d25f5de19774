"""From Kubernetes objects to a service of the mesh. Pure: everything a service depends on is an argument.

Joins ports, endpoints and policies. Does not decide a port's protocol (`protocol_selection`), which endpoints are
usable (`endpoints`, `places`), which policies are in force (`policies.layers`) or which service owns an address
(`address_claims`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from discovery.kubernetes.address_text import plain
from discovery.kubernetes.endpoints import EndpointSlice
from discovery.kubernetes.objects import subject_of
from discovery.kubernetes.services import Service, ServiceSpec
from discovery.problem import Problem
from discovery.services.endpoints import SubsetsOf, endpoints_of, no_subsets
from discovery.services.places import ANYWHERE, Place, insists, preference_of
from discovery.services.protocol_selection import protocol_of, transport_of
from discovery.services.store import Stored
from discovery.sources.external.slices import is_external, is_resolved, ports_of
from nodeproxy.mesh import model
from nodeproxy.mesh.address import Range, headless_address, virtual_address

AFFINITY_S = 10800  # three hours: the API server's default


def service_of(
    stored: Stored[Service],
    slices: Sequence[Stored[EndpointSlice]],
    address: str,
    policies: dict[str, Any],
    place: Place = ANYWHERE,
    subsets_of: SubsetsOf = no_subsets,
) -> model.Service:
    """The mesh's view of a service, from a node at `place`."""
    service, spec = stored.object, stored.object.spec
    namespace, _, name = service.key.partition("/")
    # an ExternalName has only its name's endpoints, whatever other slices are labelled with it
    placed = replace(spec, traffic_distribution=preference_of(spec, policies))
    usable = [
        each.object
        for each in slices
        if each.object.address_type != "FQDN" and is_resolved(each.object) == is_external(service)
    ]
    return model.Service(
        namespace=namespace,
        name=name,
        virtual_address=address,
        ports=tuple(
            model.Port(
                number=port.port,
                name=port.name or "",
                protocol=protocol_of(port, policies),
                endpoints=endpoints_of(port, placed, usable, place, subsets_of),
                transport=transport_of(port.protocol),
            )
            for port in ports_of(service)
        ),
        policies=policies,
        affinity_s=affinity_s(spec),
        only_local=insists(spec) and bool(place.node),
    )


def affinity_s(spec: ServiceSpec) -> float:
    """Sticky session time after a client's last request, in seconds; 0 for services without session affinity."""
    if spec.session_affinity != "ClientIP":
        return 0.0
    client_ip = spec.session_affinity_config.client_ip if spec.session_affinity_config else None
    return float((client_ip.timeout_seconds if client_ip else None) or AFFINITY_S)


def problems_of(
    stored: Stored[Service], slices: Sequence[Stored[EndpointSlice]], place: Place = ANYWHERE
) -> Iterator[Problem]:
    """Settings of the service that the mesh does not apply."""
    service, subject = stored.object, subject_of("Service", stored.object.key)
    if insists(service.spec) and not place.node:
        message = "Local, but the name of this node is not known: all endpoints are used; set node_name (--node)"
        yield Problem(message, stored.origin, subject, ("spec", "internalTrafficPolicy"), severity="warning")
    for each in slices:
        if each.object.address_type == "FQDN":
            subject = subject_of("EndpointSlice", each.object.key)
            message = "the mesh calls addresses, not names; these endpoints are left out, got 'FQDN'"
            yield Problem(message, each.origin, subject, ("addressType",), severity="warning")


def wanted_address(service: Service, mesh_range: Range, headless_range: Range) -> str:
    """The virtual address that a service claims."""
    cluster_ip = service.spec.cluster_ip
    if cluster_ip and cluster_ip != "None" and not is_external(service):
        return virtual_address(plain(cluster_ip), mesh_range)
    return headless_address(service.key, headless_range)
