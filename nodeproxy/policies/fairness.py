"""`fairness`: callers share what a service can handle at once, so that one of them cannot make all others wait."""

from math import ceil
from typing import Annotated

from pydantic import Field

from nodeproxy.exchange.exchange import Handler, Tools
from nodeproxy.policies.block import Policy, PolicySettings
from nodeproxy.policies.fair_shares import Shares
from nodeproxy.policies.fair_turns import FairTurns


class FairnessSettings(PolicySettings):
    """At most `maxRequests` requests of this node are at the service at once; further ones wait.

    The next free place goes to the caller that has the fewest. Callers are the calling workloads; a client that is no
    pod of this node is one by its address. A wait counts for `timeouts`.
    """

    max_requests: Annotated[int, Field(ge=1, le=1_000_000)]
    """Requests at the service at once, from this node; divided among its workers."""
    max_percent_per_caller: Annotated[int, Field(ge=1, le=100)] = 80
    """What one caller may have of them. The rest is a reserve: a caller that has its share already, which is all of
    them divided by the number of callers, leaves it free, so that one below its share need not wait for a response."""
    max_pending_per_caller: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests of one caller that may wait; beyond, 503 with Retry-After. By default as many as `maxRequests`, so that
    no caller is refused before it asks for more than its share."""


def shares(settings: FairnessSettings, before: Shares | None, tools: Tools) -> Shares:
    """The slots of a worker. Requests under way and those that wait keep their places when the settings change."""
    slots = ceil(settings.max_requests / tools.workers)
    most = max(1, slots * settings.max_percent_per_caller // 100)
    pending = settings.max_pending_per_caller
    waiting = slots if pending is None else ceil(pending / tools.workers)
    return Shares(slots, most, waiting, before)


def wrap(_settings: FairnessSettings, inner: Handler, tools: Tools, shares: Shares) -> Handler:
    """`inner` for callers in turn."""
    assert tools.event is not None
    return FairTurns(shares, inner, tools.event, tools.decisions)


def numbers(shares: Shares) -> dict[str, float]:
    """See FIGURES."""
    return {"running": float(shares.used), "waiting": float(shares.queued)}


POLICY: Policy = Policy(
    "fairness",
    FairnessSettings,
    wrap,
    state=shares,
    outcomes={
        "queued": "waited because all slots, or all of its caller, were in use",
        "rejected": "answered with 503: too many requests of its caller waited already",
    },
    numbers=numbers,
    figures={"running": "requests at the service", "waiting": "requests that wait for their caller's turn"},
)
