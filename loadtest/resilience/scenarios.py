"""What goes wrong, and the policy tables that are tried against it.

A table with a policy that the registry does not have, or with settings that it refuses, is reported as missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loadtest.cluster.world import address
from loadtest.resilience.client import Stream
from loadtest.resilience.endpoints import Behaviour

GOOD = Behaviour(0.005)
SLOW = Behaviour(0.5)
FAILING = Behaviour(0.001, status=503)
SMALL = Behaviour(0.020, slots=4)
"""An endpoint that serves 200 requests per second and not one more."""
RETRIES = {"retries": {"attempts": 3, "retryOn": ["connect-failure", "reset", "gateway-error"]}}
NO_RETRIES = {"retries": {"attempts": 0}}
UNBOUNDED = {"retryBudget": {"percent": 100, "minRetryConcurrency": 100_000}}
OUTLIERS = {"outlierDetection": {"maxEjectionPercent": 50}}
EWMA = {"loadBalancer": {"simple": "PEAK_EWMA"}}
PER_CALLER = {"rateLimit": {"perCaller": {"requestsPerSecond": 150, "burst": 10}}}
FAIRNESS = {"fairness": {"maxRequests": 4}}
HEDGING = {"hedging": {"percentile": 95}}

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trouble:
    """One scenario: endpoints, callers, and policy tables by name. `patience_s` is how long a caller waits."""

    name: str
    title: str
    endpoints: tuple[Behaviour, ...]
    streams: tuple[Stream, ...]
    tables: Mapping[str, Table]
    patience_s: float = 2.0
    warmup_s: float = 1.0
    measure_s: float = 4.0

    @property
    def capacity_per_s(self) -> float:
        """Requests per second that the endpoints which answer with 200 can serve."""
        return sum(each.slots / each.service_s for each in self.endpoints if each.status == 200)


TROUBLES = (
    Trouble(
        "overload",
        "Three times as many requests as the endpoint can serve; a caller waits for a quarter of a second",
        (SMALL,),
        (Stream("callers", 600.0),),
        {
            "plain": {},
            "connectionPool": {"connectionPool": {"maxRequests": 8}},
            "adaptiveConcurrency": {"adaptiveConcurrency": {}},
        },
        patience_s=0.25,
        warmup_s=4.0,
        measure_s=6.0,
    ),
    Trouble(
        "healthy",
        "Five endpoints that take 5 ms: what to compare with",
        (GOOD,) * 5,
        (Stream("callers", 400.0),),
        {"plain (LEAST_REQUEST)": {}, "PEAK_EWMA": EWMA, "hedging": HEDGING},
        warmup_s=2.0,
    ),
    Trouble(
        "one-slow",
        "One endpoint of five takes half a second instead of 5 ms",
        (GOOD, GOOD, GOOD, GOOD, SLOW),
        (Stream("callers", 400.0),),
        {
            "plain (LEAST_REQUEST)": {},
            "ROUND_ROBIN": {"loadBalancer": {"simple": "ROUND_ROBIN"}},
            "outlierDetection": OUTLIERS,
            "PEAK_EWMA": EWMA,
            "hedging": HEDGING,
            "hedging, LEAST_REQUEST": {**HEDGING, "loadBalancer": {"simple": "LEAST_REQUEST"}},
            "PEAK_EWMA, hedging, outlierDetection": {**EWMA, **HEDGING, **OUTLIERS},
        },
        warmup_s=2.0,
    ),
    Trouble(
        "greedy-caller",
        "One caller sends twice as much as the endpoint can serve, another one a tenth of it",
        (SMALL,),
        (Stream("greedy", 400.0, address(0)), Stream("polite", 20.0, address(1))),
        {
            "plain": {},
            "rateLimit.perCaller": PER_CALLER,
            "fairness": FAIRNESS,
            "adaptiveConcurrency": {"adaptiveConcurrency": {}},
            "adaptiveConcurrency, fairness": {"adaptiveConcurrency": {}, **FAIRNESS},
            "adaptiveConcurrency, rateLimit.perCaller": {"adaptiveConcurrency": {}, **PER_CALLER},
        },
        patience_s=0.25,
        warmup_s=4.0,
        measure_s=6.0,
    ),
    Trouble(
        "all-failing",
        "All endpoints answer with 503",
        (FAILING,) * 3,
        (Stream("callers", 300.0),),
        {
            "no retries": NO_RETRIES,
            "retries": RETRIES,
            "retries, no budget": {**RETRIES, **UNBOUNDED},
            "retries, retryBudget": {**RETRIES, "retryBudget": {"percent": 20, "minRetryConcurrency": 3}},
            "retries, outlierDetection": {**RETRIES, **OUTLIERS},
            "retries, circuitBreaker": {**RETRIES, "circuitBreaker": {}},
        },
    ),
    Trouble(
        "half-failing",
        "Two endpoints of four answer with 503",
        (GOOD, GOOD, FAILING, FAILING),
        (Stream("callers", 300.0),),
        {
            "no retries": NO_RETRIES,
            "retries": RETRIES,
            "retries, no budget": {**RETRIES, **UNBOUNDED},
            "outlierDetection": {**NO_RETRIES, **OUTLIERS},
            "retries, outlierDetection": {**RETRIES, **OUTLIERS},
            "retries, circuitBreaker": {**RETRIES, "circuitBreaker": {}},
        },
    ),
)
