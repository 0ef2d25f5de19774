"""`hedging`: a request that takes long is sent to a second endpoint as well, and the first response wins."""

from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Literal

from pydantic import Field, model_validator

from nodeproxy.exchange.exchange import Handler, Tools
from nodeproxy.policies.block import Duration, Policy, PolicySettings
from nodeproxy.policies.budget import unlimited
from nodeproxy.policies.hedge import HedgePlan, Hedging, UnsentHedges
from nodeproxy.policies.latencies import Latencies
from nodeproxy.policies.retries import RetriesSettings

Idempotent = Literal["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST"]


class HedgingSettings(PolicySettings):
    """Cuts the tail of latencies that one slow endpoint makes, at the cost of some more requests: `retryBudget` bounds
    them, together with retries.

    A hedge goes to an endpoint that the request is not at; with none, there is no hedge. An error, or a status from 500
    on, does not win while another attempt is under way. The loser is cancelled: its connection is closed, over HTTP/2
    its stream reset. Only requests whose body was there with the head are hedged, and no upgrades. Each try of
    `retries` may be hedged.

    A hedged request takes the delay and a second attempt, so hedges are for the endpoint that is slow now and then. One
    that is always slow is avoided: beside this policy, `loadBalancer` is PEAK_EWMA unless it says otherwise.

    Source: J. Dean, L. Barroso, The Tail at Scale, 2013.
    """

    delay_s: Duration = 0.0
    """How long the first attempt has, before a second one is sent; with `percentile`, at least so long."""
    percentile: Annotated[float, Field(ge=50, le=99.9, strict=False)] | None = None
    """The delay is this percentile of the last one to two thousand latencies of the service port in this worker, each
    that of the attempt that has won; there are no hedges before 128 are known. 95 hedges about 5 percent of the
    requests. A slow endpoint counts as usual where it has more than the rest of the requests: if one of five may have
    been slow all the time, choose 75 or a fixed delay."""
    max_attempts: Annotated[int, Field(ge=1, le=3)] = 1
    """Attempts beside the first, each sent after one more delay."""
    methods: tuple[Idempotent, ...] = ("GET", "HEAD", "OPTIONS")
    """Only idempotent ones can be named (RFC 9110, 9.2.2). PUT and DELETE are left out by default: the loser of a race
    may be carried out late, after the next change that the client makes. POST means gRPC calls alone: name it where
    all methods of the service may be carried out twice."""

    @model_validator(mode="after")
    def _some_delay(self) -> "HedgingSettings":
        if not self.delay_s and self.percentile is None:
            raise ValueError("write delay, percentile or both: how long the first attempt has")
        return self


def latencies(settings: HedgingSettings, before: Latencies | None, _tools: Tools) -> Latencies:
    """What is known of the latencies; a change of settings keeps it."""
    return Latencies((settings.percentile or 95.0) / 100, before)


def wrap(settings: HedgingSettings, inner: Handler, tools: Tools, state: Latencies) -> Handler:
    """`inner` with hedges."""
    retries = tools.settings.get("retries")
    retried = isinstance(retries, RetriesSettings) and retries.attempts > 0 and retries.mode == "enforce"
    plan = HedgePlan(
        frozenset(method.encode() for method in settings.methods),
        settings.delay_s,
        settings.percentile is not None,
        settings.max_attempts,
        not retried,
    )
    if tools.decisions.shadow:
        return UnsentHedges(plan, inner, tools, state)
    return Hedging(plan, inner, tools, state, tools.states.get("retryBudget") or unlimited(tools))


def numbers(state: Latencies) -> Mapping[str, float]:
    """See `figures`."""
    return {"latency_seconds": state.quantile_s} if isfinite(state.quantile_s) else {}


POLICY: Policy = Policy(
    "hedging",
    HedgingSettings,
    wrap,
    state=latencies,
    outcomes={
        "hedged": "an attempt was sent beside one that took long; in shadow mode, an attempt took long",
        "won": "the response was that of a hedge",
        "over-budget": "no hedge when it was due: `retryBudget` was used up; the next delay asks again",
        "no-other-endpoint": "no hedge: the service has no endpoint that the request is not at",
    },
    numbers=numbers,
    figures={"latency_seconds": "the latency at `percentile`; absent before it is known, and without `percentile`"},
)
