"""Shares of endpoints that get less for a while: those that warm up, and those that refuse load.

Works with every chooser: a candidate with a part of its share is passed over in that proportion. Consistent hashing and
sticky sessions have no such shares: a key has one endpoint.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from nodeproxy.balance.choice import Choose, Random, two_of
from nodeproxy.balance.health import Health
from nodeproxy.balance.judge import Judged
from nodeproxy.balance.refusals import EVEN

REFRESH_S = 0.1  # how old a share may be: a hundredth of a second's requests of one endpoint is no burst
DRAWS_MOST = 16  # beyond them the best candidate drawn so far is used: bounds the cost of one choice


@dataclass(frozen=True, slots=True)
class WarmupRules:
    """See `policies.load_balancer.Warmup`; `least_share` is a part of 1."""

    duration_s: float
    least_share: float
    aggression: float


def warm_share(age_s: float, rules: WarmupRules) -> float:
    """The part of its share that an endpoint gets `age_s` after it joined. Source: Envoy, slow_start_config."""
    if age_s >= rules.duration_s:
        return 1.0
    passed = max(0.0, age_s) / rules.duration_s
    return max(rules.least_share, float(passed ** (1 / rules.aggression)))


@dataclass(frozen=True, slots=True)
class Shares:
    """Why an endpoint may get less than the others; None: not for this reason."""

    warmup: WarmupRules | None
    shedding_decay_s: float | None

    def of(self, health: Health, now: float) -> float:
        """The part of its share that the endpoint gets at `now`, monotonic seconds: above 0, at most 1."""
        share = 1.0
        if self.warmup is not None:
            share = warm_share(now - health.joined_at, self.warmup)
        if self.shedding_decay_s is not None and health.refusals is not None:
            share *= health.refusals.share(now, self.shedding_decay_s)
        return share


Member = TypeVar("Member", bound=Judged)


def least_loaded(candidates: Sequence[Member], random: Random) -> Member:
    """The less loaded of two different random candidates; load counts by share.

    Where connections are kept, an endpoint with a tenth of its share is as loaded by one as another is by ten.
    """
    if len(candidates) == 1:
        return candidates[0]
    one, other = two_of(candidates, random)
    return other if other.active * one.health.weight < one.active * other.health.weight else one


class Weighted(Generic[Member]):
    """A chooser that passes over some of the choices of another one, so that shares of requests are as `shares` say.

    Shares are relative: where all endpoints refuse load alike, or all are new, each has its whole share.
    """

    __slots__ = ("_among", "_choose", "_now", "_shares", "_until", "_whole")

    def __init__(self, choose: Choose[Member], shares: Shares, now: Callable[[], float]) -> None:
        self._choose = choose
        self._shares = shares
        self._now = now
        self._among: Sequence[Member] = ()
        self._until = 0.0
        self._whole = 0.0

    def __call__(self, candidates: Sequence[Member], random: Random) -> Member:
        """See `choice.Choose`."""
        now = self._now()
        if candidates is not self._among or now >= self._until:
            self._refresh(candidates, now)
        best = self._choose(candidates, random)
        if not self._whole:
            return best
        member, draws = best, 1
        while random() * self._whole >= member.health.weight:
            if draws == DRAWS_MOST:
                return best
            member = self._choose(candidates, random)
            draws += 1
            if member.health.weight > best.health.weight:
                best = member
        return member

    def _refresh(self, candidates: Sequence[Member], now: float) -> None:
        """Compute the weights; `_whole` is the largest, 0 where all are equal."""
        self._among, self._until = candidates, now + REFRESH_S
        least, most = 1.0, 0.0
        for member in candidates:
            weight = member.health.weight = self._shares.of(member.health, now)
            least, most = min(least, weight), max(most, weight)
        self._whole = 0.0 if least >= most * EVEN else most
