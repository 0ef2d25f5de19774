"""Shedding: an endpoint that refuses load gets less at once, and gets it back gradually.

A refusal is a 429, or an error with Retry-After. Each halves the endpoint's share of requests; one with Retry-After
reduces it to LEAST_SHARE for the time it asks for. After that the missing share shrinks exponentially. So an endpoint
that refuses only what is too much settles at the share it can serve. Source: Linkerd's load biaser (2.20); TCP's
additive increase, multiplicative decrease.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp

from nodeproxy.balance.judge import Counter, Judged, Outcome, Try
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Response
from nodeproxy.protocol.retry_after import retry_after_s

EVEN = 0.99  # a share that recovers exponentially never is whole again: from here on it counts as whole
REFUSED = 429
LEAST_SHARE = 0.01  # enough requests to see that an endpoint refuses no more


@dataclass(frozen=True, slots=True)
class SheddingRules:
    """`max_retry_after_s` bounds Retry-After; `decay_s` is the time in which the missing share shrinks to 37 %."""

    max_retry_after_s: float
    decay_s: float


@dataclass(slots=True)
class Refusals:
    """The refusals of one endpoint."""

    missing: float = 0.0
    """The part of its share that it did not get at `held_until`."""
    held_until: float = 0.0
    """Until when nothing is given back, monotonic seconds."""

    def share(self, now: float, decay_s: float) -> float:
        """The part of its share that it gets at `now`: 1 without refusals."""
        if not self.missing or now <= self.held_until:
            return 1.0 - self.missing
        return 1.0 - self.missing * exp((self.held_until - now) / decay_s)

    def refuse(self, now: float, after_s: float, rules: SheddingRules) -> None:
        """The endpoint has refused a request, and asks for `after_s` without more (0: it does not say)."""
        share = LEAST_SHARE if after_s else max(LEAST_SHARE, self.share(now, rules.decay_s) / 2)
        self.missing = 1.0 - share
        self.held_until = max(self.held_until, now + min(after_s, rules.max_retry_after_s))


def refusal_s(status: int, fields: Fields) -> float | None:
    """The seconds that a refusal of load asks for, 0 where it does not say; None for every other response.

    RESOURCE_EXHAUSTED of gRPC comes as 429; see `Attempt.status`.
    """
    if status < 400:
        return None  # RFC 9110, 10.2.3: Retry-After of a redirection is no refusal
    after_s = retry_after_s(fields)
    return after_s if after_s is not None else 0.0 if status == REFUSED else None


class Shedding:
    """The judge that notes refusals. In shadow mode it only counts them."""

    def __init__(self, rules: SheddingRules, now: Callable[[], float], decisions: Counter) -> None:
        self.rules = rules
        self._now = now
        self._decisions = decisions
        self._members: Sequence[Judged] = ()

    def reduced(self) -> int:
        """How many endpoints get less than EVEN of their share now."""
        now, decay_s = self._now(), self.rules.decay_s
        noted = (member.health.refusals for member in self._members)
        return sum(refusals is not None and refusals.share(now, decay_s) < EVEN for refusals in noted)

    def installed(self, members: Sequence[Judged], _changed: Callable[[], None]) -> None:
        """See Judge."""
        self._members = members
        for member in members:
            if member.health.refusals is None and not self._decisions.shadow:
                member.health.refusals = Refusals()

    def responded(self, attempt: Try, response: Response) -> None:
        """See Judge."""
        after_s = refusal_s(attempt.status, response.fields)
        if after_s is not None:
            self._refused(attempt, after_s)

    def ended(self, attempt: Try, outcome: Outcome) -> None:
        """See Judge. What matters is in the head of the response, but for the trailers of a call."""
        if outcome == REFUSED and attempt.status != REFUSED:
            self._refused(attempt, 0.0)

    def _refused(self, attempt: Try, after_s: float) -> None:
        self._decisions.count("shed", attempt.exchange)
        refusals = attempt.endpoint.health.refusals
        if refusals is not None and not self._decisions.shadow:
            refusals.refuse(self._now(), after_s, self.rules)
