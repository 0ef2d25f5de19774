"""Ports that the mesh knows and does not serve, in words: what each speaks, and what an operator can do.

Said alike by `nodeproxy check` and in the 404 of a request for such a port.
"""

from collections.abc import Sequence

from nodeproxy.mesh.model import Port, PortProtocol

PORTS_NAMED = 5  # of one service in a message: enough to see which it is

_WORDS: dict[PortProtocol, str] = {
    "http": "HTTP/1.1",
    "http2": "HTTP/2 (gRPC)",
    "tls": "TLS",
    "tcp": "TCP that is not HTTP",
    "udp": "UDP",
    "sctp": "SCTP",
}


def unserved(namespace: str, service: str, ports: Sequence[Port]) -> str:
    """What these ports of a service speak, why that is not served, and how to call them all the same.

    The name to call resolves in every pod, whatever the cluster's domain is.
    """
    speak = ", ".join(f"port {port.number} speaks {_WORDS[port.protocol]}" for port in ports[:PORTS_NAMED])
    number = f":{ports[0].number}" if len(ports) == 1 else ""
    cure = f"call {service}.{namespace}.svc{number}, past the mesh"
    if any(port.transport == "tcp" for port in ports):
        cure += "; where it speaks HTTP/1.1 after all, set its appProtocol to http"
    return f"{speak}, and the mesh serves HTTP/1.1 in the clear: {cure}"
