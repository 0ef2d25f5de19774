"""A circuit: closed while a service works, open while it does not, half open while probes find out.

Pure: each call passes the time, and there are no timers. A call costs the same whatever has passed through it.
Source: Nygard, Release It!, 5.2; the window by time and the trial by probes as in resilience4j.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

BUCKETS = 10  # of a window: results leave it in steps of a tenth
GROWTH = 2.0  # of the time a circuit stays open, from one opening to the next
CLOSED, OPEN, HALF_OPEN = range(3)
REJECTED = -1


@dataclass(frozen=True, slots=True)
class CircuitLimits:
    """When a circuit opens, and for how long; ratios are 0 to 1, and infinite where they do not matter."""

    window_s: float = 10.0
    failure_ratio: float = 0.5
    slow_ratio: float = inf
    minimum_requests: int = 20
    open_s: float = 30.0
    open_most_s: float = 300.0
    half_open_requests: int = 3


class Window:
    """Results of the last `window_s` seconds, in a ring of buckets with running sums."""

    __slots__ = ("_bucket_s", "_failed", "_slow", "_tick", "_total", "failed", "slow", "total")

    def __init__(self, window_s: float) -> None:
        self._bucket_s = window_s / BUCKETS
        self.clear()

    def clear(self) -> None:
        """Forget all results."""
        self._tick = 0
        self._total, self._failed, self._slow = [0] * BUCKETS, [0] * BUCKETS, [0] * BUCKETS
        self.total = self.failed = self.slow = 0

    def add(self, now: float, failed: bool, slow: bool) -> None:
        """Add one result at `now`, monotonic seconds, and drop those that have left the window."""
        tick = int(now / self._bucket_s)
        if tick != self._tick:
            self._advance(tick)
        place = tick % BUCKETS
        self._total[place] += 1
        self.total += 1
        if failed:
            self._failed[place] += 1
            self.failed += 1
        if slow:
            self._slow[place] += 1
            self.slow += 1

    def _advance(self, tick: int) -> None:
        for left in range(max(self._tick + 1, tick - BUCKETS + 1), tick + 1):
            place = left % BUCKETS
            self.total -= self._total[place]
            self.failed -= self._failed[place]
            self.slow -= self._slow[place]
            self._total[place] = self._failed[place] = self._slow[place] = 0
        self._tick = tick


class Circuit:
    """One circuit. `decided` is called with `opened`, `closed` and `probed`.

    `admit` returns a ticket, with which the request's end is told: a request that a former state has admitted says
    nothing about this one.
    """

    __slots__ = (
        "_bad", "_closed_at", "_decided", "_latest_open_s", "_limits", "_out", "_over_at", "_results", "_slow",
        "_ticket", "_until", "_window", "openings", "state",
    )  # fmt: skip

    def __init__(
        self, limits: CircuitLimits, decided: Callable[[str], None], now: float, before: "Circuit | None" = None
    ) -> None:
        self.state = CLOSED
        self.openings = 0
        """How often it has opened without working in between."""
        self._limits = limits
        self._decided = decided
        self._window = Window(limits.window_s)
        self._ticket = 0
        self._until = self._closed_at = self._over_at = -inf
        self._latest_open_s = 0.0
        self._out = self._results = self._bad = self._slow = 0
        if before is not None:
            self._resume(before, now)

    def admit(self, now: float) -> int:
        """A ticket for a request at `now`, monotonic seconds, or REJECTED."""
        if self.state == CLOSED:
            return self._ticket
        if now < self._until:
            return REJECTED
        if self.state == OPEN or now >= self._over_at:  # a probe that does not end holds its trial no longer
            self._begin_trial(now)
        if self._out + self._results >= self._limits.half_open_requests:
            return REJECTED
        self._out += 1
        self._decided("probed")
        return self._ticket

    def record(self, ticket: int, now: float, failed: bool, slow: bool) -> None:
        """The request with this ticket has had a result at `now`."""
        if ticket != self._ticket:
            return
        limits = self._limits
        if self.state == CLOSED:
            window = self._window
            window.add(now, failed, slow)
            if window.total >= limits.minimum_requests and (
                window.failed >= limits.failure_ratio * window.total or window.slow >= limits.slow_ratio * window.total
            ):
                self._open(now)
            return
        self._out -= 1
        self._results += 1
        self._bad += failed
        self._slow += slow
        needed = limits.half_open_requests
        if self._bad >= limits.failure_ratio * needed or self._slow >= limits.slow_ratio * needed:
            self._open(now)
        elif self._results == needed:
            self._close(now)

    def drop(self, ticket: int) -> None:
        """The request with this ticket has ended without a result."""
        if ticket == self._ticket and self.state == HALF_OPEN:
            self._out -= 1

    def wait_s(self, now: float) -> float:
        """After how many seconds a rejected request may be admitted: 0 when probes are under way."""
        return max(0.0, self._until - now)

    def _open(self, now: float) -> None:
        limits = self._limits
        if self.state == CLOSED and now - self._closed_at >= max(self._latest_open_s, limits.window_s):
            self.openings = 0
        growth = GROWTH ** min(self.openings, 64)
        self._latest_open_s = min(limits.open_most_s, limits.open_s * growth)
        self.openings += 1
        self.state = OPEN
        self._ticket += 1
        self._until = now + self._latest_open_s
        self._window.clear()
        self._decided("opened")

    def _begin_trial(self, now: float) -> None:
        self.state = HALF_OPEN
        self._ticket += 1
        self._out = self._results = self._bad = self._slow = 0
        self._over_at = now + self._latest_open_s

    def _close(self, now: float) -> None:
        self.state = CLOSED
        self._ticket += 1
        self._closed_at = now
        self._decided("closed")

    def _resume(self, before: "Circuit", now: float) -> None:
        """Go on where `before` is, whose settings were others; a trial starts over, its probes do not report here."""
        self.state = CLOSED if before.state == CLOSED else OPEN
        self.openings = before.openings
        self._ticket = before._ticket + 1
        self._until = min(before._until, now + self._limits.open_most_s)
        self._closed_at = before._closed_at
        self._latest_open_s = min(before._latest_open_s, self._limits.open_most_s)
