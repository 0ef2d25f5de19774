"""PEAK_EWMA: the endpoint with the lower expected latency of two random ones.

The cost of an endpoint is its latency times the exchanges it would have. The latency is an exponentially weighted
average that follows a peak at once and forgets it over DECAY_S. Source: Finagle, PeakEwma.scala; Linkerd's balancer.
"""

from collections.abc import Callable, Sequence
from math import exp, inf, log
from typing import TypeVar

from nodeproxy.balance.choice import two_of
from nodeproxy.balance.judge import FAILURES, Judged, Outcome, Try
from nodeproxy.protocol.message import Response

DECAY_S = 10.0  # Finagle's and Linkerd's decay
LEAST_S = 0.00001  # a latency below the precision of the reactor's clock counts as this: it has a logarithm
PRESUMED_S = 0.1  # how long the latency of the others is cached, which takes a look at each
FAILED_S = 1.0  # presumed of an endpoint whose first response is an error, if no other has an estimate


class Latency:
    """The expected latency of one endpoint. Without observations it decays: a slow endpoint is tried again some day.

    `level` is the logarithm of the estimate plus time in units of DECAY_S: two levels compare as the estimates do at
    any one time, so that a choice needs neither the time nor an exponential.
    """

    __slots__ = ("_estimate_s", "_stamp", "level")

    def __init__(self) -> None:
        self.level = -inf
        self._estimate_s = 0.0
        self._stamp = 0.0

    def observe(self, seconds: float, now: float) -> None:
        """A response has taken `seconds`; `now` is monotonic, and may be a little before that of other observations."""
        late = now - self._stamp
        if late > 0:
            kept = exp(-late / DECAY_S)
            self._stamp = now
        else:
            kept = 1.0
        estimate_s = self._estimate_s * kept
        estimate_s = seconds if seconds >= estimate_s else estimate_s + seconds * (1.0 - kept)
        if estimate_s < LEAST_S:
            estimate_s = LEAST_S
        self._estimate_s = estimate_s
        self.level = log(estimate_s) + self._stamp / DECAY_S

    def failed(self, seconds: float, now: float, presumed_s: float) -> None:
        """An error has taken `seconds`: the estimate does not fall, however fast errors are, nor below `presumed_s`."""
        self.observe(max(seconds, self._estimate_s, presumed_s), now)

    def lasts(self, seconds: float, now: float) -> None:
        """A response has not come within `seconds`: the estimate is at least that."""
        estimate_s = self.estimate_s(now)
        if estimate_s is None or seconds > estimate_s:
            self.observe(seconds, now)

    def estimate_s(self, now: float) -> float | None:
        """Seconds at `now`; None before the first observation."""
        return self._estimate_s * exp((self._stamp - now) / DECAY_S) or None


Member = TypeVar("Member", bound=Judged)


def least_latency(candidates: Sequence[Member], random: Callable[[], float]) -> Member:
    """The one with the lower cost of two different random candidates, which all have their latency measured."""
    if len(candidates) == 1:
        return candidates[0]
    one, other = two_of(candidates, random)
    if not one.active and not other.active:
        mine, its = one.health.latency, other.health.latency
        if mine is not None and its is not None:  # the usual case, without logarithms
            return other if its.level < mine.level else one
    return other if _cost(other) < _cost(one) else one


def _cost(member: Judged) -> float:
    """The logarithm of the cost, comparable between endpoints.

    An endpoint without an estimate has one exchange at a time: it is first in line when idle, and last while busy.
    """
    latency, active = member.health.latency, member.active
    level = -inf if latency is None else latency.level
    if level == -inf:
        return inf if active else level
    return level + log(active + 1)


class LatencyMeter:
    """The judge that measures: from the choice of the endpoint to the first byte of its response."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._members: Sequence[Judged] = ()
        self._presumed_s = FAILED_S
        self._presumed_until = -inf

    def installed(self, members: Sequence[Judged], _changed: Callable[[], None]) -> None:
        """See Judge."""
        self._members = members
        for member in members:
            if member.health.latency is None:
                member.health.latency = Latency()

    def responded(self, attempt: Try, response: Response) -> None:
        """See Judge. Errors and refusals of load are often faster than the work they stand for."""
        latency, now, status = attempt.endpoint.health.latency, attempt.first_byte, attempt.status
        if latency is None or now is None:
            return
        if status < 500 and status != 429:
            latency.observe(now - attempt.began, now)
        else:
            self._failed(latency, now - attempt.began, now)

    def ended(self, attempt: Try, outcome: Outcome) -> None:
        """See Judge. What ended without a response has lasted at least as long as it did."""
        latency = attempt.endpoint.health.latency
        if latency is None or attempt.status:
            return
        now = self._now()
        if outcome in FAILURES:
            self._failed(latency, now - attempt.began, now)
        else:
            latency.lasts(now - attempt.began, now)

    def _failed(self, latency: Latency, seconds: float, now: float) -> None:
        """An endpoint that fails is presumed to be as slow as the others: its fast errors would attract requests."""
        if now >= self._presumed_until:
            others = (member.health.latency for member in self._members)
            known = [other.estimate_s(now) or 0.0 for other in others if other is not None and other.level > -inf]
            self._presumed_s = _median(known) if known else FAILED_S
            self._presumed_until = now + PRESUMED_S
        latency.failed(seconds, now, self._presumed_s)


def _median(numbers: list[float]) -> float:
    """As `statistics` has it, whose import takes more memory than all of this module."""
    ordered, middle = sorted(numbers), len(numbers) // 2
    return (ordered[middle] + ordered[~middle]) / 2
