"""Why a port cannot be called, or not by HTTP requests, and how to call it: one text for all that say so.

`nodeproxy check`, `nodeproxy explain` and the 404 to a request for such a port have it.
"""

from collections.abc import Sequence

from nodeproxy.mesh.model import Port, PortProtocol, Service

PORTS_NAMED = 5  # of one service in a message: enough to see which it is
NO_ADDRESS = "the service has none, because another one has it or the setting virtual_addresses is off"
DECLARE = "where it speaks HTTP after all, set its appProtocol to http or kubernetes.io/h2c"

_WORDS: dict[PortProtocol, str] = {
    "http": "HTTP/1.1",
    "http2": "HTTP/2 (gRPC)",
    "detect": "what its clients speak",
    "tls": "TLS",
    "tcp": "TCP that is not HTTP",
    "udp": "UDP",
    "sctp": "SCTP",
}


def unserved(service: Service, port: Port) -> str:
    """Why no connection to this port reaches its endpoints, and the cure; "" if one does.

    Without a virtual address only HTTP is served, by name. The name in the cure resolves in every pod, whatever the
    cluster domain.
    """
    past = f"call {service.name}.{service.namespace}.svc:{port.number}, past the mesh"
    if not port.served:
        return f"{_speak([port])}, which the mesh does not serve: {past}"
    if service.virtual_address or port.takes_requests:
        return ""
    return f"{_speak([port])}, which is served at a virtual address only, and {NO_ADDRESS}: {past}"


def not_http(service: Service, ports: Sequence[Port]) -> str:
    """Why these ports of a service, none of which takes requests, get no HTTP by name, and how to call them."""
    served = [port for port in ports if not unserved(service, port)]
    if not served:
        return "; ".join(unserved(service, port) for port in ports[:PORTS_NAMED])
    number = f":{served[0].number}" if len(served) == 1 else ""
    call = f"connect to {service.name}.{service.namespace}.mesh{number}, its own address {service.virtual_address}"
    text = f"{_speak(served)}, which is no HTTP and not for this listener: {call}"
    return f"{text}; {DECLARE}" if any(port.transport == "tcp" for port in served) else text


def _speak(ports: Sequence[Port]) -> str:
    return ", ".join(f"port {port.number} speaks {_WORDS[port.protocol]}" for port in ports[:PORTS_NAMED])
