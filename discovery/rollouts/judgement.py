"""Whether a changed table does worse than the last good one. Pure."""

from math import sqrt
from typing import NamedTuple

DEVIATIONS = 2.0  # of a binomial distribution: chance exceeds it once in forty looks at most
FAILURES_LEAST = 3  # a single failure of few requests is no rate


class Tally(NamedTuple):
    """Requests and how many of them failed."""

    requests: int = 0
    failed: int = 0

    def since(self, before: "Tally") -> "Tally":
        """What has come since `before`."""
        return Tally(max(0, self.requests - before.requests), max(0, self.failed - before.failed))

    @property
    def ratio(self) -> float:
        """Of the failed ones; 0 without any request."""
        return self.failed / self.requests if self.requests else 0.0

    def __str__(self) -> str:
        return f"{self.ratio:.1%} of {self.requests:,} failed"


def is_worse(new: Tally, last_good: Tally, margin_ratio: float) -> bool:
    """Whether `new` failed more often than `last_good` by more than `margin_ratio`, beyond what chance explains."""
    allowed = min(1.0, last_good.ratio + margin_ratio)
    expected = new.requests * allowed
    return new.failed >= FAILURES_LEAST and new.failed > expected + DEVIATIONS * sqrt(expected * (1 - allowed))
