"""Where a share of the requests goes: a service, a port of it, a subset of its endpoints."""

from typing import Annotated

from pydantic import Field

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
