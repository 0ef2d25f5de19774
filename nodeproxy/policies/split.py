"""`split`: the requests of a service port go to several services in exact proportions. `upstream.split` does it."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from nodeproxy.balance.weights import Weights
from nodeproxy.exchange.exchange import Tools
from nodeproxy.policies.block import Policy, PolicySettings
from nodeproxy.policies.shares import Shares
from nodeproxy.policies.targets import Target


class SplitSettings(PolicySettings):
    """Weights are proportions: 9 and 1 mean the same as 90 and 10."""

    of_list: ClassVar[str] = "targets"

    targets: Annotated[tuple[Target, ...], Field(min_length=1, max_length=32)]
    """The services that receive the requests. The service that is split receives none unless it is one of them.
    A bare list under `split` means these."""

    @model_validator(mode="after")
    def _some_weight(self) -> "SplitSettings":
        if not any(target.weight for target in self.targets):
            raise ValueError("at least one target needs a weight above 0")
        return self


def shares(settings: SplitSettings, _before: Shares | None, tools: Tools) -> Shares:
    """The proportions, from their beginning."""
    return Shares(Weights([target.weight for target in settings.targets]), tools.decisions)


POLICY: Policy = Policy(
    "split",
    SplitSettings,
    connections=True,
    touches=("datagrams",),
    state=shares,
    outcomes={
        "<namespace>/<service>:<port>": "a try was sent to this target, of `split` or of a rule of `routes`; in shadow"
        " mode, would have been. The labels of a subset follow"
    },
)
