"""`outlierDetection`: endpoints whose responses are errors are ejected for a while. `balance.outlier` decides."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from nodeproxy.balance.outlier import OutlierDetector
from nodeproxy.balance.outlier_record import FailureRules, OutlierRules, SuccessRateRules
from nodeproxy.exchange.exchange import Tools
from nodeproxy.policies.block import Block, Duration, Policy, PolicySettings

Count = Annotated[int, Field(ge=0, le=1_000_000)]
Hosts = Annotated[int, Field(ge=1, le=100_000)]
Percent = Annotated[int, Field(ge=0, le=100)]
Positive = Annotated[Duration, Field(gt=0)]


class SuccessRate(Block):
    """Ejects endpoints whose success rate of an interval is far below that of the others. Source: Envoy."""

    minimum_hosts: Hosts = 5
    """Without so many endpoints of enough requests, none is judged."""

    request_volume: Hosts = 100
    """Requests of an interval without which an endpoint is not judged."""

    stdev_factor: Annotated[float, Field(ge=0, le=100, strict=False)] = 1.9
    """How many standard deviations below the mean. Envoy's 1900, in its units of a thousandth."""


class FailurePercentage(Block):
    """Ejects endpoints of whose requests in an interval so many failed. Source: Envoy."""

    threshold: Annotated[int, Field(ge=1, le=100)] = 85
    """Percent."""

    minimum_hosts: Hosts = 5
    """Without so many endpoints of enough requests, none is judged."""

    request_volume: Hosts = 50
    """Requests of an interval without which an endpoint is not judged."""


class OutlierDetectionSettings(PolicySettings):
    """An ejected endpoint gets no requests until its ejection ends.

    Every worker judges by its own requests. An endpoint that cannot be connected to is ejected in any case, for 1 s,
    doubled for each failure in a row up to 60 s; this policy adds what responses show.
    """

    consecutive_5xx_errors: Annotated[Count, Field(alias="consecutive5xxErrors")] = 5
    """So many errors in a row eject: responses of 500 to 599 (`httpErrorCodes`), and failures in their place: to
    connect, a lost connection, a timeout. 0 is off. Istio's and Envoy's default."""

    consecutive_gateway_errors: Count = 0
    """So many 502, 503 or 504 in a row, or failures in their place, eject. Off by default, as in Istio."""

    split_external_local_origin_errors: bool = False
    """Counts failures to connect, lost connections and timeouts apart, by `consecutiveLocalOriginFailures`, and not
    as errors, nor in success rates. Off by default, as in Istio."""

    consecutive_local_origin_failures: Count = 5
    """So many of these in a row eject, where they are counted apart. 0 is off."""

    http_error_codes: tuple[Annotated[int, Field(ge=400, le=599)], ...] = ()
    """The statuses that are errors, in the place of 500 to 599."""

    interval_s: Positive = 10.0
    """How long numbers are collected for `successRate` and `failurePercentage`."""

    base_ejection_time_s: Positive = 30.0
    """How long the first ejection of an endpoint lasts. Each further one is so much longer; each interval without one
    takes that back."""

    max_ejection_time_s: Positive = 300.0
    """How long an ejection lasts at most, unless `baseEjectionTime` is longer. Envoy's default."""

    max_ejection_percent: Percent = 10
    """Of the endpoints of the service port, at most so many percent are ejected at a time by this policy."""

    always_eject_one_host: bool = True
    """One of several endpoints may be ejected whatever `maxEjectionPercent` says: 10 % of fewer than ten are none. In
    older releases of Envoy always so, in newer ones a field that is off by default."""

    min_health_percent: Percent = 0
    """Health is ignored while fewer than so many percent of the endpoints are usable, as by
    `loadBalancer.panicThreshold`; the larger of the two counts. Istio's field and default."""

    success_rate: SuccessRate | None = None
    """Judges by success rates as well. Off by default, as in Istio."""

    failure_percentage: FailurePercentage | None = None
    """Judges by percentages of failures as well. Off by default, as in Envoy."""


def rules(settings: OutlierDetectionSettings) -> OutlierRules:
    """What the detector goes by."""
    rate, failures = settings.success_rate, settings.failure_percentage
    return OutlierRules(
        consecutive_errors=settings.consecutive_5xx_errors,
        consecutive_gateway=settings.consecutive_gateway_errors,
        consecutive_local=settings.consecutive_local_origin_failures,
        split=settings.split_external_local_origin_errors,
        error_codes=frozenset(settings.http_error_codes or range(500, 600)),
        interval_s=settings.interval_s,
        base_s=settings.base_ejection_time_s,
        longest_s=settings.max_ejection_time_s,
        most_percent=settings.max_ejection_percent,
        always_one=settings.always_eject_one_host,
        success_rate=SuccessRateRules(rate.minimum_hosts, rate.request_volume, rate.stdev_factor) if rate else None,
        failures=FailureRules(failures.threshold, failures.minimum_hosts, failures.request_volume)
        if failures
        else None,
    )


def state(settings: OutlierDetectionSettings, _before: OutlierDetector | None, tools: Tools) -> OutlierDetector:
    """The detector of a service port. What it has learned is with the endpoints."""
    return OutlierDetector(rules(settings), tools.now, tools.decisions)


def numbers(detector: OutlierDetector) -> Mapping[str, float]:
    """The figures of a service port."""
    return {"ejected": float(detector.ejected())}


POLICY = Policy(
    "outlierDetection",
    OutlierDetectionSettings,
    state=state,
    outcomes={
        "consecutive-5xx": "ejected: `consecutive5xxErrors` in a row",
        "consecutive-gateway-errors": "ejected: `consecutiveGatewayErrors` in a row",
        "local-origin": "ejected: `consecutiveLocalOriginFailures` in a row",
        "success-rate": "ejected: a success rate far below that of the other endpoints",
        "failure-percentage": "ejected: too many of its requests failed in an interval",
        "not-ejected": "an outlier was not ejected: `maxEjectionPercent` of the endpoints are",
    },
    numbers=numbers,
    figures={"ejected": "endpoints that are ejected now; in shadow mode, that would be"},
)
