"""From Kubernetes objects to a service of the mesh. Pure: everything a service depends on is an argument.

Decides what joins what, who may be called and which protocol a port speaks. Does not decide which policies are
in force (`policy_layers`) nor who keeps an address that two services would have (`address_claims`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Literal

from discovery.objects import Conditions, EndpointSlice, Ref, Service, ServicePort, SliceEndpoint
from discovery.problem import Problem
from discovery.store import Stored
from nodeproxy.mesh import model
from nodeproxy.mesh.address import Range, headless_address, virtual_address

# Kubernetes' own names (KEP-3726) and those that Istio and Envoy Gateway understand. TLS passes through unread.
_PROTOCOL_OF: Mapping[str, model.PortProtocol] = {
    "http": "http",
    "kubernetes.io/ws": "http",
    "http2": "http2",
    "h2c": "http2",
    "kubernetes.io/h2c": "http2",
    "grpc": "http2",
    "https": "tcp",
    "tls": "tcp",
    "kubernetes.io/wss": "tcp",
    "mongo": "tcp",
    "mysql": "tcp",
    "redis": "tcp",
    "tcp": "tcp",
    # a name cannot turn a TCP port into a UDP one; it says at least that HTTP is not meant
    "udp": "tcp",
}

State = Literal["ready", "draining", "out"]


def service_of(
    stored: Stored[Service], slices: Sequence[Stored[EndpointSlice]], address: str, policies: dict[str, Any]
) -> model.Service | None:
    """The mesh's view of a service; None when it is no service of the mesh (ExternalName)."""
    service = stored.object
    if service.spec.type == "ExternalName":
        return None
    namespace, _, name = service.key.partition("/")
    usable = [each.object for each in slices if each.object.address_type != "FQDN"]
    any_state = bool(service.spec.publish_not_ready_addresses)
    return model.Service(
        namespace=namespace,
        name=name,
        virtual_address=address,
        ports=tuple(
            model.Port(
                number=port.port,
                name=port.name or "",
                protocol=protocol_of(port),
                endpoints=endpoints_of(port.name or "", usable, any_state=any_state),
            )
            for port in service.spec.ports or ()
            if port.protocol != "SCTP"
        ),
        policies=policies,
    )


def problems_of(stored: Stored[Service], slices: Sequence[Stored[EndpointSlice]]) -> Iterator[Problem]:
    """What the operator asked for and the mesh does not do."""
    service, subject = stored.object, str(Ref("Service", *stored.object.key.split("/")))
    if service.spec.type == "ExternalName":
        message = "the mesh has no ExternalName; the service is left out, its clients reach it without the mesh"
        yield Problem(message, stored.origin, subject, ("spec", "type"), severity="warning")
    for index, port in enumerate(service.spec.ports or ()):
        if port.protocol == "SCTP":
            message = "the mesh carries TCP and UDP; this port is left out, got 'SCTP'"
            yield Problem(message, stored.origin, subject, ("spec", "ports", index, "protocol"), severity="warning")
    for each in slices:
        if each.object.address_type == "FQDN":
            subject = str(Ref("EndpointSlice", *each.object.key.split("/")))
            message = "the mesh calls addresses, not names; these endpoints are left out, got 'FQDN'"
            yield Problem(message, each.origin, subject, ("addressType",), severity="warning")


def wanted_address(service: Service, mesh_range: Range, headless_range: Range) -> str:
    """The virtual address of a service if no other has it; "" for a service outside the mesh."""
    if service.spec.type == "ExternalName":
        return ""
    cluster_ip = service.spec.cluster_ip
    if cluster_ip and cluster_ip != "None":
        return virtual_address(cluster_ip, mesh_range)
    return headless_address(service.key, headless_range)


def protocol_of(port: ServicePort) -> model.PortProtocol:
    """What a port speaks: its appProtocol says, else the beginning of its name, else HTTP as most do.

    An appProtocol without a domain is an IANA service name (KEP-1507): one unknown here is some protocol over TCP.
    One with an unknown domain is a private convention and says nothing.
    """
    if port.protocol == "UDP":
        return "udp"
    said = (port.app_protocol or "").lower()
    if said in _PROTOCOL_OF:
        return _PROTOCOL_OF[said]
    if said and "/" not in said:
        return "tcp"
    return _PROTOCOL_OF.get((port.name or "").partition("-")[0], "http")


def endpoints_of(port_name: str, slices: Iterable[EndpointSlice], *, any_state: bool) -> tuple[model.Endpoint, ...]:
    """The endpoints behind the service port of this name: the ready ones or, failing those, the draining ones.

    In the order of their addresses, each once even if several slices have it, as happens while the controller moves
    it; the state nearest to ready counts. `any_state` is publishNotReadyAddresses.
    """
    ready: dict[tuple[str, int], model.Endpoint] = {}
    draining: dict[tuple[str, int], model.Endpoint] = {}
    for each in slices:
        # a slice port without number leaves it to the reader; like kube-proxy we have nothing to take it from
        number = next((port.port for port in each.ports or () if (port.name or "") == port_name), None)
        if number is None:
            continue
        for endpoint in each.endpoints or ():
            state = "ready" if any_state else state_of(endpoint.conditions or Conditions())
            if state != "out":
                found = _endpoint(endpoint, number)
                (ready if state == "ready" else draining).setdefault((found.address, number), found)
    return tuple(endpoint for _, endpoint in sorted((ready or draining).items()))


def state_of(conditions: Conditions) -> State:
    """Whether an endpoint takes new requests; only as a last resort; or not at all. Unknown counts as well-meant.

    Source: EndpointSlice API, EndpointConditions; kube-proxy, pkg/proxy/endpoints.go reads null the same way.
    """
    if conditions.serving is False:
        return "out"
    if conditions.terminating:
        return "draining"
    return "out" if conditions.ready is False else "ready"


def _endpoint(endpoint: SliceEndpoint, number: int) -> model.Endpoint:
    address = endpoint.addresses[0]
    if ":" in address:  # IPv6 has many spellings; one endpoint must have one
        address = str(ip_address(address))
    return model.Endpoint(address, number, endpoint.node_name or "", endpoint.zone or "", endpoint.hostname or "")
