"""`mirrors`: copies of requests go to further services, whose responses are dropped."""

from math import ceil
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from nodeproxy.balance.share import Share
from nodeproxy.exchange.exchange import Handler, Place, Tools
from nodeproxy.mesh.selectors import selector_text
from nodeproxy.policies.block import Bytes, Duration, Policy, PolicySettings
from nodeproxy.policies.mirroring import Mirroring, Mirrors, UnderWay
from nodeproxy.policies.percentage import Percentage
from nodeproxy.policies.targets import Destination


class Mirror(Destination):
    """Where copies go, and of how many requests."""

    percentage: Percentage = 100.0
    """Of the requests, exact over time on each worker. The default is Istio's and Gateway API's."""

    @model_validator(mode="after")
    def _other(self) -> "Mirror":
        if self.service is None and self.namespace is None and self.port is None and not self.labels:
            raise ValueError(
                "this is the service itself, which would get each request twice; write service, port or labels"
            )
        return self


class MirrorsSettings(PolicySettings):
    """A copy is sent once, whatever retries do with the original, and only of a request that is sent to the service.

    The original never waits for a copy, and nothing that happens to a copy changes its response. A copy has the
    method, path, fields and body of the request, also its Host (Envoy appends `-shadow`, a name that few servers
    have), and the field `x-mesh-mirror: 1`, by which a server can tell that its answer is dropped. A request that has
    the field is not copied: mirrors in a circle end after one round. Requests with side effects are copied too.
    Copies of streamed bodies are sent when the body is complete. Tunnels and upgrades are not copied. The policies of
    the other service for requests do not act on copies; those on its endpoints and connections do.
    """

    of_list: ClassVar[str] = "targets"

    targets: Annotated[tuple[Mirror, ...], Field(min_length=1, max_length=8)]
    """The services that get copies. A bare list under `mirrors` means these."""
    timeout_s: Annotated[Duration, Field(gt=0, le=300)] = 5.0
    """How long a copy may take, from the head of the request to the end of its response."""
    max_in_flight: Annotated[int, Field(ge=1, le=4096)] = 64
    """Copies under way at once, from this node, divided among its workers; further ones are dropped. A worker has at
    most 256 of all services."""
    max_body_bytes: Annotated[Bytes, Field(le=1024 * 1024)] = 64 * 1024
    """The largest body that is copied. A copy holds it in memory until it has been sent."""


def mirrors(settings: MirrorsSettings, before: Mirrors | None, tools: Tools) -> Mirrors:
    """The shares, from their beginning. Copies under way are counted on."""
    return Mirrors(
        [Share(each.percentage) for each in settings.targets],
        ceil(settings.max_in_flight / tools.workers),
        settings.max_body_bytes,
        settings.timeout_s,
        UnderWay() if before is None else before.under_way,
    )


def wrap(settings: MirrorsSettings, inner: Handler, tools: Tools, state: Mirrors) -> Handler:
    """`inner`, with copies of what it gets."""
    assert tools.background is not None
    places = [Place(each.service, each.namespace, each.port, selector_text(each.labels)) for each in settings.targets]
    handlers = [tools.elsewhere(place) for place in places]
    return Mirroring(state, handlers, inner, tools.background, tools.decisions)


def numbers(state: Mirrors) -> dict[str, float]:
    """See FIGURES."""
    return {"in_flight": float(state.under_way.count)}


POLICY: Policy = Policy(
    "mirrors",
    MirrorsSettings,
    wrap,
    state=mirrors,
    outcomes={
        "sent": "a copy was answered, and its response read to the end and dropped",
        "cut-off": "a copy was answered with more than 64 KiB: the rest was not read, its connection closed",
        "failed": "a copy was not answered within `timeout`: no endpoint, no connection, or an incomplete body",
        "full": "no copy was made: `maxInFlight` or the worker's limit was reached",
        "body-too-large": "no copy was sent: the body is larger than `maxBody`",
    },
    numbers=numbers,
    figures={"in_flight": "copies under way"},
)
