"""Which endpoints of a service take part, and the next one.

Holds the list of usable endpoints so that a request does not have to make it: it is made again when an endpoint is
ejected or probed down or up, and when the earliest ejection ends.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import Generic, Protocol, TypeVar

from nodeproxy.mesh.health import Health, usable


class Candidate(Protocol):
    """An endpoint with its load and its health."""

    active: int
    health: Health


Member = TypeVar("Member", bound=Candidate)
Choose = Callable[[Sequence[Member], Callable[[], float]], Member]


class Rotation(Generic[Member]):
    """The endpoints of one service port."""

    __slots__ = ("_choose", "_members", "_random", "_review_at", "_usable")

    def __init__(self, members: Sequence[Member], choose: Choose[Member], random: Callable[[], float]) -> None:
        self._members = tuple(members)
        self._choose = choose
        self._random = random
        self._usable: Sequence[Member] = self._members
        self._review_at = -inf

    def next(self, now: float, tried: Sequence[object] | None) -> Member | None:
        """An endpoint for a request at `now` (monotonic seconds), None when the service has none at all.

        One of `tried` is given only when no other is left. When no endpoint is usable, all are: health that finds
        nobody fit is more likely wrong than a whole service gone (Envoy's panic mode, at its extreme).
        """
        if now >= self._review_at:
            self.review(now)
        candidates = self._usable
        if tried:
            untried = [member for member in candidates if member not in tried]
            candidates = untried or [member for member in self._members if member not in tried] or candidates
        return self._choose(candidates, self._random) if candidates else None

    def has_others(self, tried: Sequence[object]) -> bool:
        """Whether there is an endpoint that is not among `tried`."""
        return any(member not in tried for member in self._members)

    def review(self, now: float) -> None:
        """Look at everybody's health again. To be called when it has changed."""
        self._usable = [member for member in self._members if usable(member.health, now)] or self._members
        ends = (member.health.ejected_until for member in self._members)
        self._review_at = min((end for end in ends if end > now), default=inf)

    def usable_count(self, now: float) -> int:
        """How many are usable at `now`, without the panic rule."""
        return sum(usable(member.health, now) for member in self._members)
