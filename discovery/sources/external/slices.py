"""The addresses of an ExternalName as EndpointSlices, one per family. Pure."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address

from discovery.kubernetes.endpoints import SERVICE_NAME_LABEL, EndpointSlice, SliceEndpoint, SlicePort
from discovery.kubernetes.objects import Metadata, Ref
from discovery.kubernetes.services import Service, ServicePort

Address = IPv4Address | IPv6Address

FAMILIES = {4: "IPv4", 6: "IPv6"}


def is_external(service: Service) -> bool:
    """Whether a service is an alias of a DNS name."""
    return service.spec.type == "ExternalName"


def ports_of(service: Service) -> Sequence[ServicePort]:
    """The ports of a service; an ExternalName need not name any and then means HTTP on 80."""
    return service.spec.ports or ([ServicePort(80, app_protocol="http")] if is_external(service) else [])


def ref_of_slice(service_key: str, family: str) -> Ref:
    """The slice with the addresses of this family.

    Names of objects have no slash, so no other slice can have this name.
    """
    namespace, _, name = service_key.partition("/")
    return Ref("EndpointSlice", namespace, f"{name}/{family}")


def is_resolved(found: EndpointSlice) -> bool:
    """Whether a slice is one of this module's."""
    return "/" in found.metadata.name


def slices_for(service: Service, addresses: Iterable[Address]) -> dict[Ref, EndpointSlice]:
    """The slices of both families; the endpoints have the port numbers of the ExternalName."""
    namespace, _, name = service.key.partition("/")
    ports = [SlicePort(port.name, port.port, port.protocol) for port in ports_of(service)]
    slices = {}
    for version, family in FAMILIES.items():
        ref = ref_of_slice(service.key, family)
        slices[ref] = EndpointSlice(
            metadata=Metadata(ref.name, namespace, {SERVICE_NAME_LABEL: name}),
            address_type=family,
            ports=ports,
            endpoints=[SliceEndpoint([str(address)]) for address in addresses if address.version == version],
        )
    return slices
