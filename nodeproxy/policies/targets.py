"""Where a share of the requests goes: a service, a port of it, a subset of its endpoints."""

from typing import Annotated, NamedTuple

from pydantic import Field

from nodeproxy.mesh.model import Port, Service, port_key
from nodeproxy.mesh.selectors import selector_text
from nodeproxy.policies.block import Block

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
LabelName = Annotated[
    str,
    Field(
        pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
        r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
        max_length=317,
    ),
]
LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]


class Destination(Block):
    """A service port, by default the one whose policies these are; or those of its endpoints with some pod labels."""

    service: Name | None = None
    """The name of the Service; unset, the service itself. One that is not in the mesh, or whose port does not take what
    the client speaks (HTTP at a port of TCP, other bytes at one of HTTP), fails its share of the requests."""
    namespace: Name | None = None
    """Its namespace; unset, that of the service itself."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The number of its port; unset, that of the port itself."""
    labels: Annotated[dict[LabelName, LabelValue], Field(default_factory=dict, max_length=8)]
    """Only its endpoints whose pods have all these labels, such as `version: v2`; unset, all of them."""


class Target(Destination):
    """One of several places, with its share."""

    weight: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    """Its share is this number divided by the sum of all weights; 0 receives nothing. The default is Gateway API's."""


class Resolved(NamedTuple):
    """A destination as the table has it."""

    cluster: str
    """The name of the cluster, `<namespace>/<service>:<port>`."""
    subset: str
    """The labels of its endpoints as one text, "" for all of them; see `mesh.selectors.selector_text`."""

    @property
    def name(self) -> str:
        """For people and metrics."""
        return f"{self.cluster} {self.subset}" if self.subset else self.cluster


def resolved(destination: Destination, service: Service, port: Port) -> Resolved:
    """What `destination` means in the policies of a port of `service`; it is of the same transport as that port."""
    number = port_key(destination.port or port.number, port.transport)
    key = f"{destination.namespace or service.namespace}/{destination.service or service.name}"
    return Resolved(f"{key}:{number}", selector_text(destination.labels))
