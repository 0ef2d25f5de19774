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
    """Ejects endpoints whose success rate in an interval is far below that of the others. Source: Envoy."""

    minimum_hosts: Hosts = 5
    """Number of endpoints with enough requests below which none is ejected."""

    request_volume: Hosts = 100
    """Requests in an interval below which an endpoint is left out."""

    stdev_factor: Annotated[float, Field(ge=0, le=100, strict=False)] = 1.9
    """An endpoint is ejected when its rate is below the mean by more than so many standard deviations. Envoy's default,
    which it writes as 1900."""


class FailurePercentage(Block):
    """Ejects endpoints with a high percentage of failed requests in an interval. Source: Envoy."""

    threshold: Annotated[int, Field(ge=1, le=100)] = 85
    """Percentage of failed requests from which an endpoint is ejected."""

    minimum_hosts: Hosts = 5
    """Number of endpoints with enough requests below which none is ejected."""

    request_volume: Hosts = 50
    """Requests in an interval below which an endpoint is left out."""


class OutlierDetectionSettings(PolicySettings):
    """An ejected endpoint gets no requests until its ejection ends.

    Every worker judges by its own requests. The status of a gRPC call counts as the HTTP status of the same meaning, as
    in Envoy: UNKNOWN, INTERNAL and DATA_LOSS as 500, UNIMPLEMENTED as 501, UNAVAILABLE as 503, DEADLINE_EXCEEDED as
    504, RESOURCE_EXHAUSTED as 429. An endpoint that cannot be connected to is ejected in any case, for 1 s,
    doubled for each failure in a row up to 60 s; this policy adds what responses show.
    """

    consecutive_5xx_errors: Annotated[Count, Field(alias="consecutive5xxErrors")] = 5
    """Consecutive errors after which an endpoint is ejected: responses of 500 to 599 (see `httpErrorCodes`), failed
    connects, lost connections and timeouts. 0 disables it. Istio's and Envoy's default."""

    consecutive_gateway_errors: Count = 0
    """Consecutive responses of 502, 503 or 504, failed connects, lost connections and timeouts after which an endpoint
    is ejected. 0 disables it, which is the default as in Istio."""

    split_external_local_origin_errors: bool = False
    """Counts failed connects, lost connections and timeouts separately, by `consecutiveLocalOriginFailures`: they are
    then neither errors nor part of success rates. Off by default, as in Istio."""

    consecutive_local_origin_failures: Count = 5
    """Consecutive failures without a response after which an endpoint is ejected, if
    `splitExternalLocalOriginErrors` is on. 0 disables it."""

    http_error_codes: tuple[Annotated[int, Field(ge=400, le=599)], ...] = ()
    """The statuses that count as errors, instead of 500 to 599."""

    interval_s: Positive = 10.0
    """The period over which `successRate` and `failurePercentage` are computed."""

    base_ejection_time_s: Positive = 30.0
    """Duration of the first ejection of an endpoint. Each further ejection is longer by the same amount; each interval
    without an ejection takes one such step back. Istio's and Envoy's default."""

    max_ejection_time_s: Positive = 300.0
    """The longest duration of an ejection, unless `baseEjectionTime` is longer. Envoy's default."""

    max_ejection_percent: Percent = 10
    """The largest part of the endpoints of a service port that this policy ejects at the same time. Istio's and Envoy's
    default."""

    always_eject_one_host: bool = True
    """Allows the ejection of one endpoint of several whatever `maxEjectionPercent` says: 10 % of fewer than ten
    endpoints are none. Older releases of Envoy always allow it; in newer ones this field is off by default."""

    min_health_percent: Percent = 0
    """Percentage of usable endpoints below which health is ignored, as by `loadBalancer.panicThreshold`; the larger of
    the two is in force. Istio's field and default."""

    success_rate: SuccessRate | None = None
    """Ejects by success rate as well. Off by default, as in Istio."""

    failure_percentage: FailurePercentage | None = None
    """Ejects by percentage of failed requests as well. Off by default, as in Envoy."""


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


POLICY: Policy = Policy(
    "outlierDetection",
    OutlierDetectionSettings,
    connections=True,
    touches=("datagrams",),
    state=state,
    outcomes={
        "consecutive-5xx": "an endpoint was ejected by `consecutive5xxErrors`",
        "consecutive-gateway-errors": "an endpoint was ejected by `consecutiveGatewayErrors`",
        "local-origin": "an endpoint was ejected by `consecutiveLocalOriginFailures`",
        "success-rate": "an endpoint was ejected by `successRate`",
        "failure-percentage": "an endpoint was ejected by `failurePercentage`",
        "not-ejected": "an endpoint was not ejected because `maxEjectionPercent` of the endpoints already are",
    },
    numbers=numbers,
    figures={"ejected": "endpoints that are ejected now; in shadow mode, that would be"},
)
