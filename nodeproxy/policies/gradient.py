"""How many requests a service can handle at once, found from its latency: a gradient controller.

The latency without a queue, the baseline, is compared with the latency of each window:

    limit = limit * gradient + sqrt(limit)        gradient = baseline * (1 + buffer) / latency, between 0.5 and 2

While requests queue at the service, latency grows with the limit, so the limit settles where the queue is about as
long as buffer and square root allow: enough for its capacity, far below what a client waits for.

The shape is Envoy's gradient controller. What differs:

- A window is the requests admitted in a span of time, and is looked at when they have ended, all but the slowest:
  those that end within a span are the quick ones. The limit so moves once per round trip.
- A latency is the power mean of a window with the exponent 1/2, not a percentile: it needs sums and no histogram, a few
  very slow requests hardly move it, and two kinds of requests do not make it jump from one to the other. Its standard
  error decides how many requests a window has, and is allowed for: noise alone does not shrink the limit.
- The baseline is measured at 0.4 of the limit, not at the minimum: that drains the queue too, since the limit settles
  below 2.3 times the capacity, and costs a part of the throughput for an instant instead of nearly all of it.
- All proxies measure at the same time, instead of at random: else each measures the queue of the others, takes it for
  the service's latency, and all limits grow without end. It rises only where shrinking has not helped.
- The limit does not move while less than 0.4 of it is used (Netflix: half), and doubles with each window until it first
  has to shrink, as TCP's slow start.

Pure: each call passes the time. Sources: Envoy, adaptive_concurrency/controller/gradient_controller.cc;
Netflix, concurrency-limits, Gradient2Limit and VegasLimit; Brakmo and Peterson, TCP Vegas (1995).
"""

from dataclasses import dataclass
from math import exp, log, sqrt

INITIAL = 20  # before anything is known, as in Netflix's; it doubles with each window
SAMPLES_FEWEST = 10  # of a window: below that its error is as large as what it measures
CONFIDENT = 2.0  # standard errors by which a measurement differs from the baseline
ACCURACY = 0.1  # of a window's mean, as its standard error: below the buffer
WHOLE = 0.9  # of a window's requests have ended: the slowest do not hold it up
LONGEST_S = 1.0  # that a window waits for enough requests, where they are few
STALE_S = 30.0  # after which it does not wait for those that have not ended
DRAINING = 0.4  # of the limit, while the baseline is measured
RARITY = 20  # measurements take at most a twentieth of the time
RISE, FALL = 0.25, 0.5  # how far the baseline moves to a measurement that agrees with it: reluctantly upward
HELD_DOWN = 0.6  # of the limit when the baseline was learned: shrinking has not helped, it is slower, not overloaded
RISE_MOST = log(2)  # of the baseline, in one measurement
SHORTEST_S = 1e-6
REJECTED, UNMEASURED = -1, 0  # tickets that are no window's


@dataclass(frozen=True, slots=True)
class GradientLimits:
    """Bounds and intervals of a controller."""

    min_concurrency: int = 3
    max_concurrency: int = 1000
    buffer: float = 0.25
    update_interval_s: float = 0.1
    baseline_interval_s: float = 10.0
    request_count: int = 50


class Gradient:
    """The limit of one service port.

    A request that `admit` lets in ends with `sample`, `drop` or `end`, which take the ticket it was given. Latencies
    are logarithms of seconds inside.
    """

    __slots__ = (
        "_admitted", "_ahead_s", "_anchor", "_baseline", "_check_at", "_doubted", "_due", "_ended", "_exact",
        "_free", "_latest", "_limits", "_needed", "_next_at", "_peak", "_probing", "_samples", "_since",
        "_starting", "_sum", "_sum_of_squares", "_ticket", "_variance", "_window", "in_flight", "limit",
    )  # fmt: skip

    def __init__(
        self, limits: GradientLimits, now: float, before: "Gradient | None" = None, ahead_s: float = 0.0
    ) -> None:
        """`ahead_s` is how far the clock that all proxies share is ahead of `now`: they measure together."""
        self.limit = self.in_flight = 0
        self._limits = limits
        self._exact: float = self._bounded(INITIAL if before is None else before._exact)
        self._baseline: float | None = None if before is None else before._baseline
        self._starting: bool = before is None or before._starting
        self._anchor = self._exact  # the limit when the baseline was last learned
        self._ahead_s = ahead_s
        self._next_at = self._next_probe(now)
        self._variance = self._sum = self._sum_of_squares = self._since = self._check_at = self._due = self._latest = (
            0.0
        )
        self._window = self._ticket = self._needed = self._admitted = self._ended = self._samples = self._peak = 0
        self._free = False  # whether the latest window had room below its limit
        self._doubted: float | None = None  # a measurement far below the baseline, which the next one has to confirm
        self._probing = False
        self._begin_window(now, False)

    @property
    def baseline_s(self) -> float:
        """The latency without a queue, 0 before it is known."""
        return 0.0 if self._baseline is None else exp(self._baseline)

    def admit(self, now: float) -> int:
        """A ticket for one more request at `now`, monotonic seconds, or REJECTED."""
        if now >= self._check_at:
            self._check(now)
        in_flight = self.in_flight
        if in_flight >= self.limit:
            return REJECTED
        self.in_flight = in_flight = in_flight + 1
        if in_flight > self._peak:
            self._peak = in_flight
        ticket = self._ticket
        if ticket:
            self._admitted += 1
            if now >= self._due and (self._admitted >= self._needed or now >= self._latest):
                self._ticket = UNMEASURED
        return ticket

    def sample(self, ticket: int, began: float, now: float) -> None:
        """A request that was admitted at `began` has been answered at `now`."""
        if ticket == self._window:
            root = sqrt(max(now - began, SHORTEST_S))
            self._samples += 1
            self._sum += root
            self._sum_of_squares += root * root
        self.end(ticket, now)

    def drop(self, ticket: int, began: float, now: float) -> None:
        """A request that was admitted at `began` has ended at `now` without an answer: its client has given up.

        It would have taken longer: that is worth a sample once it has taken longer than the baseline. Without it, a
        limit that lets all clients wait for too long would never shrink.
        """
        if now - began > self.baseline_s:
            self.sample(ticket, began, now)
        else:
            self.end(ticket, now)

    def end(self, ticket: int, now: float) -> None:
        """A request has ended, and how long it took says nothing about the service."""
        self.in_flight -= 1
        if ticket == self._window:
            self._ended += 1
            if not self._ticket and self._ended >= self._admitted * WHOLE:
                self._end_window(now)

    def _check(self, now: float) -> None:
        """It is time to measure the baseline, or the window has lasted for too long."""
        if self._probing or now < self._next_at:
            self._end_window(now)
        else:
            self._begin_window(now, True)

    def _begin_window(self, now: float, probing: bool) -> None:
        limits = self._limits
        self._probing = probing
        self.limit = int(self._bounded(self._exact * DRAINING) if probing else self._exact)
        self._window += 1
        self._ticket = self._window
        self._since = now
        self._check_at = now + STALE_S if probing else min(self._next_at, now + STALE_S)
        self._due = now + limits.update_interval_s
        self._latest = self._due + LONGEST_S
        self._needed = max(limits.request_count if probing else SAMPLES_FEWEST, int(self._variance / ACCURACY**2))
        self._admitted = self._ended = self._samples = 0
        self._sum = self._sum_of_squares = 0.0
        self._peak = self.in_flight

    def _end_window(self, now: float) -> None:
        again = False
        if self._samples >= SAMPLES_FEWEST:
            root = self._sum / self._samples
            latency = 2 * log(root)
            self._variance = max(0.0, 4 * (self._sum_of_squares / self._samples / (root * root) - 1))
            error = sqrt(self._variance / self._samples)
            if self._baseline is None:
                self._baseline = latency
            again = self._measured(latency, error) if self._probing else self._moved(latency, error)
        if self._probing:
            self._next_at = self._next_probe(now + (now - self._since) * RARITY)
        self._begin_window(now, again)

    def _moved(self, latency: float, error: float) -> bool:
        """Move the limit after a window; returns whether the baseline is measured next, for the first time."""
        assert self._baseline is not None
        self._free = self._peak <= self._exact * DRAINING
        if self._free:  # as good as a measurement
            self._baseline = min(self._baseline, latency + CONFIDENT * error + self._slack())
            return False
        allowed = self._baseline + log(1 + self._limits.buffer) + error
        gradient = min(2.0, max(0.5, exp(allowed - latency)))
        if self._starting and gradient >= 1:
            self._exact = self._bounded(2 * self._exact)
            return False
        self._exact = self._bounded(self._exact * gradient + sqrt(self._exact))
        started, self._starting = self._starting, False
        return started

    def _measured(self, latency: float, error: float) -> bool:
        """Learn the baseline; returns whether it has to be measured once more, because it was too high."""
        assert self._baseline is not None
        difference = latency - self._baseline
        tolerance = self._slack() + CONFIDENT * error
        if difference < -tolerance:
            doubted, self._doubted = self._doubted, latency
            if doubted is None:
                return True
            self._doubted = None
            difference = max(doubted, latency) - self._baseline
            self._exact = self._bounded(self._exact * exp(difference))
            self._baseline += difference
            self._anchor = self._exact
            return True
        self._doubted = None
        if difference > tolerance and (self._free or self._exact <= self._anchor * HELD_DOWN):
            self._baseline += min(difference, RISE_MOST)
        else:
            self._baseline += FALL * difference if difference < 0 else RISE * min(difference, tolerance)
            if difference > tolerance:
                return False
        self._anchor = self._exact
        return False

    def _bounded(self, limit: float) -> float:
        return float(min(max(limit, self._limits.min_concurrency), self._limits.max_concurrency))

    def _slack(self) -> float:
        """By how much a latency may differ from the baseline without contradicting it."""
        return log(1 + self._limits.buffer) / 2

    def _next_probe(self, now: float) -> float:
        """The next multiple of the interval by the clock that proxies share."""
        interval_s = self._limits.baseline_interval_s
        return ((now + self._ahead_s) // interval_s + 1) * interval_s - self._ahead_s
