"""`circuitBreaker`: a service port that fails is not called for a while."""

from collections.abc import Mapping
from math import inf
from typing import Annotated

from pydantic import Field, model_validator

from nodeproxy.exchange.exchange import Handler, Tools
from nodeproxy.policies.block import Duration, Policy, PolicySettings
from nodeproxy.policies.breaker import Breaker
from nodeproxy.policies.circuit import Circuit, CircuitLimits

Ratio = Annotated[float, Field(gt=0, le=1, strict=False)]
Positive = Annotated[Duration, Field(gt=0)]


class CircuitBreakerSettings(PolicySettings):
    """Opens when too many of the last requests have failed or were slow; open, it answers 503 `circuit-open` at once.

    A failure is a 5xx of an endpoint, an error of an endpoint or a timeout. A gRPC call counts when it has ended, by
    its status: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS are failures. After
    `openDuration` the circuit is half open: a few requests go on as probes, and their results close it or open it
    again. Each worker has its own circuit.
    """

    window_s: Annotated[Duration, Field(ge=0.1, le=3600)] = 10.0
    """How far back results count. 10s as Hystrix and Linkerd's success rate."""
    failure_ratio: Ratio = 0.5
    """The share of failures, above 0 to 1, at which the circuit opens. Half, as in Hystrix and resilience4j."""
    slow_ratio: Ratio | None = None
    """The share of requests slower than `slowerThan` at which the circuit opens; unset, none are slow."""
    slower_than_s: Positive | None = None
    """How long the head of a response may take, retries included. Requests whose bodies stream are never slow."""
    minimum_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """The fewest results within the window that can open the circuit. 20 as Hystrix."""
    open_duration_s: Annotated[Duration, Field(ge=0.1)] = 30.0
    """How long it stays open the first time; twice as long each time that it opens again. Envoy's base ejection."""
    max_open_duration_s: Annotated[Duration, Field(ge=0.1)] = 300.0
    """The longest time it stays open. Envoy's max_ejection_time."""
    half_open_requests: Annotated[int, Field(ge=1, le=1000)] = 3
    """The probes of a half-open circuit, and how many of them may be under way at the same time.

    The same ratios decide. Probes without a result after as long as the circuit was open are given up for new ones.
    """

    @model_validator(mode="after")
    def _consistent(self) -> "CircuitBreakerSettings":
        if (self.slow_ratio is None) != (self.slower_than_s is None):
            raise ValueError("slowRatio and slowerThan are set together")
        if self.max_open_duration_s < self.open_duration_s:
            raise ValueError("maxOpenDuration is shorter than openDuration")
        return self


def state(settings: CircuitBreakerSettings, before: Circuit | None, tools: Tools) -> Circuit:
    """The circuit; a change of settings leaves it open where it is."""
    limits = CircuitLimits(
        settings.window_s,
        settings.failure_ratio,
        inf if settings.slow_ratio is None else settings.slow_ratio,
        settings.minimum_requests,
        settings.open_duration_s,
        settings.max_open_duration_s,
        settings.half_open_requests,
    )
    return Circuit(limits, tools.decisions.count, tools.now(), before)


def wrap(settings: CircuitBreakerSettings, inner: Handler, tools: Tools, circuit: Circuit) -> Handler:
    """`inner`, called while the circuit admits it."""
    return Breaker(circuit, settings.slower_than_s, inner, tools.now, tools.decisions)


def numbers(circuit: Circuit) -> Mapping[str, float]:
    """See Policy."""
    return {"state": circuit.state, "openings": circuit.openings}


POLICY: Policy = Policy(
    "circuitBreaker",
    CircuitBreakerSettings,
    wrap,
    state=state,
    outcomes={
        "opened": "the circuit opened, from closed or from half open",
        "closed": "the probes of the half-open circuit have closed it",
        "rejected": "answered with 503 circuit-open",
        "probed": "a request was sent on as a probe",
    },
    numbers=numbers,
    figures={
        "state": "0 closed, 1 open, 2 half open; open turns to half open with the next request after its time",
        "openings": "how often it has opened without working for as long in between",
    },
)
