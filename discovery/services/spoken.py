"""What a service port speaks: its transport, and the protocol that its author says it has. Pure.

Source: Kubernetes, KEP-1507 and KEP-3726 (appProtocol: an IANA service name, one of Kubernetes' own, or a name in a
domain); IANA's registry of service names; Istio's protocol selection, for what it reads from the names of ports.
"""

from collections.abc import Mapping

from discovery.kubernetes.objects import ServicePort
from nodeproxy.mesh.model import PortProtocol, Transport

_TRANSPORT_OF: Mapping[str, Transport] = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}

# What may stand before the first "-", of a port's name and of an appProtocol: Istio's words.
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
    # a name cannot turn a TCP port into a UDP one; it says at least that HTTP is not meant
    "udp": "tcp",
}

# Whole words. An upgrade to WebSocket begins as a request of HTTP/1.1, so that "ws" is one more word for it.
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
    """The transport that a `protocol` of Kubernetes is; TCP where none is written, or one that is not known yet."""
    return _TRANSPORT_OF.get(protocol or "TCP", "tcp")


def protocol_of(port: ServicePort) -> PortProtocol:
    """What a port speaks: its appProtocol says, else the beginning of its name, else HTTP as most do.

    An appProtocol without a domain is an IANA service name: one unknown here is some protocol over TCP. One with an
    unknown domain is a private convention and says nothing. In any case of letters.
    """
    transport = transport_of(port.protocol)
    if transport != "tcp":
        return transport
    said = (port.app_protocol or "").lower()
    if said in _WORDS:
        return _WORDS[said]
    if said and "/" not in said:
        return _PREFIXES.get(said.partition("-")[0], "tcp")
    return _WORDS.get((port.name or "").partition("-")[0], "http")
