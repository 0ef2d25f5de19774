"""What `outlierDetection` remembers of one endpoint, its rules, and what it finds in an interval's numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True, slots=True)
class SuccessRateRules:
    """See `policies.outlier_detection.SuccessRate`."""

    minimum_hosts: int
    request_volume: int
    stdev_factor: float


@dataclass(frozen=True, slots=True)
class FailureRules:
    """See `policies.outlier_detection.FailurePercentage`; `threshold` in percent."""

    threshold: int
    minimum_hosts: int
    request_volume: int


@dataclass(frozen=True, slots=True)
class OutlierRules:
    """See `policies.outlier_detection.OutlierDetectionSettings`. A number of consecutive failures of 0 is off."""

    consecutive_errors: int
    consecutive_gateway: int
    consecutive_local: int
    split: bool
    error_codes: frozenset[int]
    interval_s: float
    base_s: float
    longest_s: float
    most_percent: int
    always_one: bool
    success_rate: SuccessRateRules | None
    failures: FailureRules | None


@dataclass(slots=True)
class OutlierRecord:
    """One endpoint. Its consecutive failures, the interval under way, the last interval, its ejections."""

    errors: int = 0
    """Consecutive responses that are errors, or failures in their place."""
    gateway_errors: int = 0
    """Consecutive 502, 503 and 504, or failures in their place."""
    local_failures: int = 0
    """Consecutive failures without a response, where these are counted apart."""
    successes: int = 0
    """Of the interval under way."""
    failures: int = 0
    success_rate: float | None = None
    """Of the last interval, 0 to 1; None where it had no requests."""
    requests: int = 0
    """Of the last interval."""
    ejected_until: float = 0.0
    """When its last ejection ends or ended, monotonic seconds; in shadow mode, when it would have."""
    ejections: int = 0
    """Number of ejections so far."""
    why: str = ""
    """The outcome that its last ejection was counted as."""
    step: int = 0
    """How many times as long as the shortest its last ejection was."""

    def ejection_s(self, now: float, rules: OutlierRules) -> float:
        """How long an ejection that begins now lasts, and note it.

        Each is longer than the last by the shortest; each interval without one takes that back. Source: Envoy,
        base_ejection_time.
        """
        quiet = int(max(0.0, now - self.ejected_until) / rules.interval_s) if self.ejections else 0
        self.step = max(0, self.step - quiet) + 1
        self.ejections += 1
        duration_s = min(self.step * rules.base_s, max(rules.longest_s, rules.base_s))
        self.ejected_until = now + duration_s
        self.errors = self.gateway_errors = self.local_failures = 0
        return duration_s

    def close_interval(self) -> None:
        """The interval under way is over: its numbers are those of the last one."""
        self.requests = self.successes + self.failures
        self.success_rate = self.successes / self.requests if self.requests else None
        self.successes = self.failures = 0


def outliers(records: Sequence[OutlierRecord], rules: OutlierRules) -> Iterator[tuple[int, str]]:
    """The indexes of the records that the last interval shows to be outliers, each with the outcome to count.

    Source: Envoy, outlier detection by success rate and by failure percentage.
    """
    found = set()
    success, failures = rules.success_rate, rules.failures
    if success is not None:
        rated = _rated(records, success.request_volume)
        if len(rated) >= success.minimum_hosts:
            least = least_rate([rate for _, rate in rated], success.stdev_factor)
            found = {index for index, rate in rated if rate < least}
            yield from ((index, "success-rate") for index in sorted(found))
    if failures is not None:
        rated = _rated(records, failures.request_volume)
        if len(rated) >= failures.minimum_hosts:
            for index, rate in rated:
                if round((1 - rate) * 100, 6) >= failures.threshold and index not in found:
                    yield index, "failure-percentage"


def least_rate(rates: Sequence[float], factor: float) -> float:
    """The success rate below which an endpoint is an outlier: the mean less `factor` standard deviations."""
    mean = sum(rates) / len(rates)
    return mean - factor * sqrt(sum((rate - mean) ** 2 for rate in rates) / len(rates))


def _rated(records: Sequence[OutlierRecord], volume: int) -> list[tuple[int, float]]:
    """Those with enough requests in the last interval to be judged by it."""
    return [
        (index, record.success_rate)
        for index, record in enumerate(records)
        if record.success_rate is not None and record.requests >= volume
    ]
