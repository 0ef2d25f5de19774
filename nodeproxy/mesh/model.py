"""The model that discovery sends to workers: services, their ports, their endpoints, their policy tables.

Frozen values, made by discovery from Kubernetes objects and read by workers. Discovery decides on readiness,
duplicates and target ports before it makes a value: every endpoint in a table may be called.
"""

from typing import Any, Literal

import msgspec

Transport = Literal["tcp", "udp", "sctp"]
PortProtocol = Literal["http", "http2", "detect", "tls", "tcp", "udp", "sctp"]
"""The protocol of a port. A transport's name means that the protocol above it is unknown; `detect` that it is decided
for each connection, by what is said first on it."""
HTTP_PROTOCOLS = frozenset({"http", "http2", "detect"})


def port_key(number: int, transport: Transport = "tcp") -> str:
    """The key of a port inside its service: `80` for TCP, `80/udp` for a different transport."""
    return str(number) if transport == "tcp" else f"{number}/{transport}"


class Endpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """One address that serves a service port, with its target port."""

    address: str
    port: int
    node: str = ""
    zone: str = ""
    hostname: str = ""
    """The DNS host name of this pod of a headless service, "" when it has none."""
    distance: int = 0
    """From this node, by the service's traffic distribution or `loadBalancer.locality`: 0 is the nearest; 0 for all
    without either."""
    subsets: tuple[str, ...] = ()
    """Selector texts, see `mesh.selectors`, of label sets that tables ask for and its pod has."""


class Port(msgspec.Struct, frozen=True, omit_defaults=True):
    """One port of a service: the number clients use, its transport, and the endpoints behind it."""

    number: int
    name: str = ""
    protocol: PortProtocol = "http"
    endpoints: tuple[Endpoint, ...] = ()
    transport: Transport = "tcp"

    @property
    def key(self) -> str:
        """Unique within the service, whose ports may share a number; see `port_key`."""
        return port_key(self.number, self.transport)

    @property
    def served(self) -> bool:
        """Whether workers serve it: HTTP by name and at the virtual address of the service, all else only there."""
        return self.transport != "sctp"

    @property
    def takes_requests(self) -> bool:
        """Whether HTTP requests may be for it, in the clear: its connections carry HTTP/1.1 or HTTP/2, or may do so."""
        return self.protocol in HTTP_PROTOCOLS and self.transport == "tcp"

    @property
    def takes_connections(self) -> bool:
        """Whether connections may be for it that carry no HTTP, or none that may be read."""
        return self.transport == "tcp" and self.protocol in ("tcp", "tls", "detect")


class Caller(msgspec.Struct, frozen=True):
    """The caller at an address: a pod of this node, or the node itself."""

    address: str
    namespace: str
    workload: str
    """The owner of the pod: its Deployment, StatefulSet, DaemonSet, CronJob …; `node` for a process of the host."""


class Trial(msgspec.Struct, frozen=True, omit_defaults=True):
    """A changed policy table that is not in force for all yet, or has been taken back."""

    policies: dict[str, Any]
    """The changed table."""
    percentage: float
    """Of the requests to which it applies; 0 while this node waits for others, or after it was taken back."""
    began_at: float
    """Unix time in seconds."""
    returned: str = ""
    """Why it was taken back; "" if it was not."""
    last_good: dict[str, Any] | None = None
    """Where all of this node uses the changed table: the one it returns to."""


class Service(msgspec.Struct, frozen=True, omit_defaults=True):
    """One service of the mesh, whole: an update always replaces all of it.

    `virtual_address` is empty when the service has none. `policies` maps a policy's name to its settings as written
    by the operator, already merged (defaults of the mesh, of the namespace, of the service) and valid.
    """

    namespace: str
    name: str
    virtual_address: str = ""
    ports: tuple[Port, ...] = ()
    policies: dict[str, Any] = {}  # msgspec copies an empty default for each value
    unsubscribed: bool = False
    """Whether its endpoints are unknown because no worker of this node has subscribed to it."""
    affinity_s: float = 0.0
    """The timeout of a sticky session after its last request, seconds; 0: no sticky sessions."""
    only_local: bool = False
    """Whether the service's traffic policy restricts it to endpoints of this node."""
    trial: Trial | None = None
    """A table that is being rolled out beside `policies`."""

    @property
    def key(self) -> str:
        """`<namespace>/<name>`, unique in a cluster."""
        return f"{self.namespace}/{self.name}"
