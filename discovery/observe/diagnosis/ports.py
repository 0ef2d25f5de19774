"""The service port that a name means, and the endpoints that are written for it. Pure."""

from collections.abc import Sequence

from discovery.kubernetes.endpoints import EndpointSlice
from nodeproxy.mesh.diagnosis import PortFacts
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.service_view import EndpointView
from nodeproxy.mesh.unserved import not_http, unserved


class NoPort(Exception):
    """The name means no port of the service; `cure` says what to do."""

    def __init__(self, text: str, cure: str) -> None:
        super().__init__(text)
        self.cure = cure


def port_meant(service: Service, number: int) -> Port:
    """The port with this number; for 0 the one that a request by name without a port reaches, else the only port.

    Raises:
        NoPort: the service has no such port, or the name must say which.
    """
    name = f"{service.name}.{service.namespace}"
    have = ", ".join(port.key for port in service.ports) or "none"
    if number:
        fitting = sorted((port for port in service.ports if port.number == number), key=lambda port: port.transport)
        if not fitting:
            raise NoPort(f"{name} has no port {number}; it has {have}", "call one of these, or add it to the Service")
        return fitting[0]
    requests = [port for port in service.ports if port.takes_requests]
    default = [port for port in requests if port.number == 80]
    plain = [port for port in requests if port.protocol != "http2"]
    for candidates in (default, requests, plain, list(service.ports)):
        if len(candidates) == 1:
            return candidates[0]
    if not service.ports:
        raise NoPort(f"{name} has no port that the mesh knows", "add `ports` to the Service")
    raise NoPort(f"{name} has several ports: {have}", f"name one, such as {name}:{service.ports[0].number}")


def port_facts(
    service: Service,
    port: Port,
    name: str | None,
    slices: Sequence[EndpointSlice],
    seen: tuple[tuple[EndpointView, ...], bool],
) -> PortFacts:
    """`name` is the port's in the Service; `seen` are the endpoints in the workers, and whether all have the port."""
    written = [(each, any((at.name or "") == (name or "") for at in each.ports or ())) for each in slices]
    endpoints, in_table = seen
    return PortFacts(
        port.key,
        port.number,
        port.protocol,
        port.transport,
        port.takes_requests,
        unserved(service, port),
        "" if port.takes_requests else not_http(service, [port]),
        sum(len(each.endpoints or ()) for each, _ in written),
        sum(len(each.endpoints or ()) for each, has in written if not has),
        len(port.endpoints),
        in_table,
        endpoints,
    )
