"""What discovery tells a worker: services, their ports, their endpoints, their policy tables.

Frozen values, made by discovery from Kubernetes objects and read by workers. All decisions about readiness,
duplicates and target ports are made before a value stands here: an endpoint in a table may be called.
"""

from typing import Any, Literal

import msgspec

Transport = Literal["tcp", "udp", "sctp"]
PortProtocol = Literal["http", "http2", "tls", "tcp", "udp", "sctp"]
"""What a port speaks. A transport's own name: nothing is known of what it carries."""


def port_key(number: int, transport: Transport = "tcp") -> str:
    """A port inside its service: `80` for TCP, `80/udp` for another transport."""
    return str(number) if transport == "tcp" else f"{number}/{transport}"


class Endpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """One address that answers for a service port, with the port it really listens on."""

    address: str
    port: int
    node: str = ""
    zone: str = ""
    hostname: str = ""
    """Under which DNS knows this pod of a headless service, "" when it has no name."""
    distance: int = 0
    """From this node, counted as its service asks: 0 is the nearest; all have 0 where the service does not mind."""


class Port(msgspec.Struct, frozen=True, omit_defaults=True):
    """One port of a service: the number clients use, its transport, and the endpoints behind it."""

    number: int
    name: str = ""
    protocol: PortProtocol = "http"
    endpoints: tuple[Endpoint, ...] = ()
    transport: Transport = "tcp"

    @property
    def key(self) -> str:
        """Unique in a service, whose ports may share a number; see `port_key`."""
        return port_key(self.number, self.transport)

    @property
    def served(self) -> bool:
        """Whether workers carry what it speaks: HTTP/1.1 in the clear."""
        return self.protocol == "http" and self.transport == "tcp"


class Caller(msgspec.Struct, frozen=True):
    """Who calls from an address: a pod of this node, or the node itself."""

    address: str
    namespace: str
    workload: str
    """What the pod is one of: its Deployment, StatefulSet, DaemonSet, CronJob …; `node` for a process of the host."""


class Service(msgspec.Struct, frozen=True, omit_defaults=True):
    """One service of the mesh, whole: an update always replaces all of it.

    `virtual_address` is empty when the service has none. `policies` maps a policy's name to its settings as
    the operator wrote them, already merged (defaults of the mesh, of the namespace, of the service) and valid.
    """

    namespace: str
    name: str
    virtual_address: str = ""
    ports: tuple[Port, ...] = ()
    policies: dict[str, Any] = {}  # msgspec copies an empty default for each value
    unsubscribed: bool = False
    """Whether its endpoints are unknown because nobody of this node wants them; asking discovery makes them known."""
    affinity_s: float = 0.0
    """For how long after its last request a client keeps its endpoint, seconds; 0: every request is on its own."""
    only_local: bool = False
    """Whether the endpoints are only those of this node, as the service insists."""

    @property
    def key(self) -> str:
        """`<namespace>/<name>`, unique in a cluster."""
        return f"{self.namespace}/{self.name}"
