"""`split`: the requests of a service port go to several services in exact proportions. `upstream.split` does it."""

from typing import Annotated

from pydantic import Field, model_validator

from nodeproxy.balance.weights import Weights
from nodeproxy.exchange.exchange import Tools
from nodeproxy.mesh.model import Port, port_key
from nodeproxy.policies.block import Block, Policy, PolicySettings
from nodeproxy.policies.shares import Shares

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]


class Target(Block):
    """One of the services, by default in the namespace and with the port of the service that is split."""

    service: Name
    """The name of the Service. One that is not in the mesh, or whose port does not take what the client speaks (HTTP at
    a port of TCP, other bytes at one of HTTP), fails its share of the requests."""
    namespace: Name | None = None
    """Its namespace; unset, that of the service that is split."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The number of its port; unset, that of the port that is split."""
    weight: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    """Its share is this number divided by the sum of all weights; 0 receives nothing. The default is Gateway API's."""


class SplitSettings(PolicySettings):
    """Weights are proportions: 9 and 1 mean the same as 90 and 10."""

    targets: Annotated[tuple[Target, ...], Field(min_length=1, max_length=32)]
    """The services that receive the requests. The service that is split receives none unless it is one of them."""

    @model_validator(mode="after")
    def _some_weight(self) -> "SplitSettings":
        if not any(target.weight for target in self.targets):
            raise ValueError("at least one target needs a weight above 0")
        return self


def names(settings: SplitSettings, namespace: str, port: Port) -> tuple[str, ...]:
    """The clusters that a service port of this namespace is split over, of the same transport."""
    return tuple(
        f"{target.namespace or namespace}/{target.service}:{port_key(target.port or port.number, port.transport)}"
        for target in settings.targets
    )


def shares(settings: SplitSettings, _before: Shares | None, tools: Tools) -> Shares:
    """The proportions, from their beginning."""
    return Shares(Weights([target.weight for target in settings.targets]), tools.decisions)


POLICY = Policy(
    "split",
    SplitSettings,
    connections=True,
    touches=("datagrams",),
    state=shares,
    outcomes={"<namespace>/<service>:<port>": "a try was sent to this target; in shadow mode, would have been"},
)
