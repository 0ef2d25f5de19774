"""The message for ports that the mesh does not serve: the protocol of each, and the remedy for the operator.

`nodeproxy check` and the 404 to a request for such a port use the same text.
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
    """The protocols of these ports of a service, why they are not served, and how to call them without the mesh.

    The name in it resolves in every pod, whatever the cluster domain.
    """
    speak = ", ".join(f"port {port.number} speaks {_WORDS[port.protocol]}" for port in ports[:PORTS_NAMED])
    number = f":{ports[0].number}" if len(ports) == 1 else ""
    cure = f"call {service}.{namespace}.svc{number}, past the mesh"
    if any(port.transport == "tcp" for port in ports):
        cure += "; where it speaks HTTP after all, set its appProtocol to http or kubernetes.io/h2c"
    return f"{speak}, and the mesh serves HTTP/1.1 and HTTP/2 in the clear: {cure}"
