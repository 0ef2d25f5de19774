"""The transport of a service port, and the protocol that its author declares. Pure.

Source: Kubernetes, KEP-1507 and KEP-3726 (appProtocol: an IANA service name, one of Kubernetes' own, or a name in a
domain); IANA's registry of service names; Istio's protocol selection, for what it reads from the names of ports.
"""

from collections.abc import Mapping

from discovery.kubernetes.objects import ServicePort
from nodeproxy.mesh.model import PortProtocol, Transport

_TRANSPORT_OF: Mapping[str, Transport] = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}

# Prefixes, up to the first "-", of a port's name and of an appProtocol, as in Istio.
_PREFIXES: Mapping[str, PortProtocol] = {
    "http": "http",
    "http2": "http2",
    "grpc": "http2",
    "https": "tls",
    "tls": "tls",
    "mongo": "tcp",
    "mysql": "tcp",
    "redis": "tcp",
    "tcp": "tcp",
    # a name cannot make a TCP port a UDP one; it only excludes HTTP
    "udp": "tcp",
}

# Whole words. "ws" means HTTP/1.1, because a WebSocket handshake is an HTTP/1.1 request.
_WORDS: Mapping[str, PortProtocol] = {
    **_PREFIXES,
    "http1": "http",
    "http1.0": "http",
    "http1.1": "http",
    "http/1.0": "http",  # as ALPN has it (RFC 7301, 6)
    "http/1.1": "http",
    "web": "http",
    "www": "http",  # IANA's aliases of "http"
    "www-http": "http",
    "ws": "http",
    "kubernetes.io/ws": "http",
    "h2": "http2",
    "h2c": "http2",
    "http/2": "http2",
    "kubernetes.io/h2c": "http2",
    "ssl": "tls",
    "wss": "tls",
    "kubernetes.io/wss": "tls",
    "linkerd.io/opaque": "tcp",
}


def transport_of(protocol: str | None) -> Transport:
    """The transport of a Kubernetes `protocol`; TCP if it is unset or unknown."""
    return _TRANSPORT_OF.get(protocol or "TCP", "tcp")


def protocol_of(port: ServicePort) -> PortProtocol:
    """The protocol of a port: from its appProtocol, else from the prefix of its name, else HTTP.

    An appProtocol without a domain is an IANA service name; an unknown one counts as TCP. One with an unknown domain is
    a private convention and is ignored. Letter case does not matter.
    """
    transport = transport_of(port.protocol)
    if transport != "tcp":
        return transport
    declared = (port.app_protocol or "").lower()
    if declared in _WORDS:
        return _WORDS[declared]
    if declared and "/" not in declared:
        return _PREFIXES.get(declared.partition("-")[0], "tcp")
    return _WORDS.get((port.name or "").partition("-")[0], "http")
