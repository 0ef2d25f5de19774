"""`adaptiveConcurrency`: as many requests at once as a service port can handle, found from its latency."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from nodeproxy.exchange.exchange import Handler, Tools
from nodeproxy.policies.block import Duration, Policy, PolicySettings
from nodeproxy.policies.concurrency_limiter import Limiter
from nodeproxy.policies.gradient import Gradient, GradientLimits


class AdaptiveConcurrencySettings(PolicySettings):
    """Beyond the limit, requests are answered with 503 `overloaded` at once, instead of waiting in the service's queue.

    The limit is one per worker of the node, and so are these bounds: with two workers, a service can have twice as
    many requests under way from this node. The algorithm is Envoy's gradient controller with changes that
    `nodeproxy/policies/gradient.py` states; fields are named after it.
    """

    min_concurrency: Annotated[int, Field(ge=1, le=100_000)] = 3
    """The limit never falls below this. Envoy's min_concurrency."""
    max_concurrency: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """The limit never rises above this. Envoy's max_concurrency_limit."""
    update_interval_s: Annotated[Duration, Field(ge=0.01, le=60)] = 0.1
    """For how long latencies are gathered before the limit moves; longer where requests are few or slow.

    Envoy's concurrency_update_interval, which has no default there.
    """
    min_rtt_interval_s: Annotated[Duration, Field(ge=1, le=3600)] = 10.0
    """How often the latency without a queue is measured, with 0.4 of the limit for an instant.

    Proxies measure at the multiples of the interval by their system clocks, so that none measures the queue of
    another: set the same interval everywhere. Envoy's min_rtt_calc_params.interval.
    """
    request_count: Annotated[int, Field(ge=10, le=10_000)] = 50
    """The fewest requests of such a measurement, within a second. Envoy's request_count."""
    buffer: Annotated[float, Field(ge=0.05, le=1, strict=False)] = 0.25
    """By which share latency may exceed the one without a queue before the limit falls. Envoy's buffer, 25 %."""

    @model_validator(mode="after")
    def _consistent(self) -> "AdaptiveConcurrencySettings":
        if self.max_concurrency < self.min_concurrency:
            raise ValueError("maxConcurrency is below minConcurrency")
        return self


def state(settings: AdaptiveConcurrencySettings, before: Gradient | None, tools: Tools) -> Gradient:
    """The controller; a change of settings keeps the limit, within its bounds, and the latency without a queue."""
    limits = GradientLimits(
        settings.min_concurrency,
        settings.max_concurrency,
        settings.buffer,
        settings.update_interval_s,
        settings.min_rtt_interval_s,
        settings.request_count,
    )
    now = tools.now()
    return Gradient(limits, now, before, tools.wall() - now)


def wrap(_settings: AdaptiveConcurrencySettings, inner: Handler, tools: Tools, gradient: Gradient) -> Handler:
    """`inner`, called for as many requests at once as it can handle."""
    return Limiter(gradient, inner, tools.now, tools.decisions)


def numbers(gradient: Gradient) -> Mapping[str, float]:
    """See Policy."""
    return {"limit": gradient.limit, "in_flight": gradient.in_flight, "baseline_seconds": gradient.baseline_s}


POLICY: Policy = Policy(
    "adaptiveConcurrency",
    AdaptiveConcurrencySettings,
    wrap,
    state=state,
    outcomes={"rejected": "answered with 503 overloaded: as many requests as the limit were under way"},
    numbers=numbers,
    figures={
        "limit": "how many requests may be under way at once",
        "in_flight": "how many are, up to the heads of their responses",
        "baseline_seconds": "the latency without a queue, 0 before it is known",
    },
)
