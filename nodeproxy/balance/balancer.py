"""Which endpoints of a service take part, and the next one.

Holds the list of usable endpoints so that a request does not have to make it: it is made again when an endpoint is
ejected or probed down or up, and when the earliest ejection ends. Where a service asks for near endpoints, the list
holds the nearest usable ones only; a service that does not ask has all of them at one distance and pays nothing.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import Generic, Protocol, TypeVar

from nodeproxy.balance.health import Health, usable


class Candidate(Protocol):
    """An endpoint with its load, its health and how far it is (0: nearest)."""

    active: int
    distance: int
    health: Health


class Request(Protocol):
    """Who asks: its client's address, and the endpoints that have failed it."""

    @property
    def client(self) -> str: ...

    @property
    def tried(self) -> Sequence[object] | None: ...


Member = TypeVar("Member", bound=Candidate)
Choose = Callable[[Sequence[Member], Callable[[], float]], Member]


class Balancer(Generic[Member]):
    """The endpoints of one service port."""

    __slots__ = ("_choose", "_members", "_random", "_review_at", "_usable")

    def __init__(self, members: Sequence[Member], choose: Choose[Member], random: Callable[[], float]) -> None:
        self._members = tuple(members)
        self._choose = choose
        self._random = random
        self._usable: Sequence[Member] = self._members
        self._review_at = -inf

    def next(self, now: float, request: Request) -> Member | None:
        """An endpoint for a request at `now` (monotonic seconds), None when the service has none at all.

        One that the request has tried is given only when no other is left, a farther one only when no nearer one
        that is usable is left. When no endpoint is usable, all are: health that finds nobody fit is more likely wrong
        than a whole service gone (Envoy's panic mode, at its extreme).
        """
        candidates = self.candidates(now, request.tried)
        return self._choose(candidates, self._random) if candidates else None

    def candidates(self, now: float, tried: Sequence[object] | None) -> Sequence[Member]:
        """Those among which `next` chooses."""
        if now >= self._review_at:
            self.review(now)
        return self._untried(now, tried) if tried else self._usable

    def has_others(self, tried: Sequence[object]) -> bool:
        """Whether there is an endpoint that is not among `tried`."""
        return any(member not in tried for member in self._members)

    def review(self, now: float) -> None:
        """Look at everybody's health again. To be called when it has changed."""
        self._usable = nearest([member for member in self._members if usable(member.health, now)]) or self._members
        ends = (member.health.ejected_until for member in self._members)
        self._review_at = min((end for end in ends if end > now), default=inf)

    def _untried(self, now: float, tried: Sequence[object]) -> Sequence[Member]:
        left = [member for member in self._members if member not in tried]
        return nearest([member for member in left if usable(member.health, now)]) or left or self._usable

    def usable_count(self, now: float) -> int:
        """How many are usable at `now`, without the panic rule."""
        return sum(usable(member.health, now) for member in self._members)


def nearest(members: Sequence[Member]) -> Sequence[Member]:
    """Those of the least distance, in the same order."""
    distances = {member.distance for member in members}
    if len(distances) < 2:
        return members
    least = min(distances)
    return [member for member in members if member.distance == least]
