"""The usable endpoints of a service port, and the choice of the next one.

Caches the list of usable endpoints, so that a request does not compute it: the list is computed again when an endpoint
is ejected or its probes change its health, and when the earliest ejection ends. If a service prefers near endpoints,
the list holds only the nearest usable ones; otherwise all endpoints have the same distance, at no cost.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import Generic, Protocol, TypeVar

from nodeproxy.balance.choice import Choose
from nodeproxy.balance.health import Health, usable


class Candidate(Protocol):
    """An endpoint with its load, its health and its distance (0: nearest)."""

    active: int
    distance: int
    health: Health


class Request(Protocol):
    """What a choice depends on: the client's address, and the endpoints that have already been tried."""

    @property
    def client(self) -> str: ...

    @property
    def tried(self) -> Sequence[object] | None: ...


Member = TypeVar("Member", bound=Candidate)


class Balancer(Generic[Member]):
    """The endpoints of one service port.

    When fewer than `panic_percent` of them are usable, health is ignored and all are candidates, at any distance.
    Source: Envoy, healthy_panic_threshold.
    """

    __slots__ = ("_choose", "_members", "_panic", "_panic_percent", "_random", "_review_at", "_usable")

    def __init__(
        self,
        members: Sequence[Member],
        choose: Choose[Member],
        random: Callable[[], float],
        panic_percent: int = 0,
    ) -> None:
        self._members = tuple(members)
        self._choose = choose
        self._random = random
        self._panic_percent = panic_percent
        self._panic = False
        self._usable: Sequence[Member] = self._members
        self._review_at = -inf

    def next(self, now: float, request: Request) -> Member | None:
        """An endpoint for a request at `now` (monotonic seconds), None when the service has none at all.

        Returns an endpoint that the request has already tried only if there is no other, and a farther one only if no
        nearer one is usable. When no endpoint is usable, all are candidates: wrong health results are more likely than
        the failure of a whole service (Envoy's panic mode, at its extreme).
        """
        candidates = self.candidates(now, request.tried)
        return self._choose(candidates, self._random) if candidates else None

    def candidates(self, now: float, tried: Sequence[object] | None) -> Sequence[Member]:
        """The endpoints among which `next` chooses."""
        if now >= self._review_at:
            self.review(now)
        return self._untried(now, tried) if tried else self._usable

    def has_others(self, tried: Sequence[object]) -> bool:
        """Whether there is an endpoint that is not among `tried`."""
        return any(member not in tried for member in self._members)

    def review(self, now: float) -> None:
        """Compute the usable endpoints again. Call it when the health of an endpoint has changed."""
        fit = [member for member in self._members if usable(member.health, now)]
        self._panic = len(fit) * 100 < self._panic_percent * len(self._members)
        self._usable = self._members if self._panic else nearest(fit) or self._members
        ends = (end for member in self._members for end in (member.health.ejected_until, member.health.outlier_until))
        self._review_at = min((end for end in ends if end > now), default=inf)

    def _untried(self, now: float, tried: Sequence[object]) -> Sequence[Member]:
        left = [member for member in self._members if member not in tried]
        fit = [] if self._panic else nearest([member for member in left if usable(member.health, now)])
        return fit or left or self._usable

    def usable_count(self, now: float) -> int:
        """How many endpoints are usable at `now`, without the panic rule."""
        return sum(usable(member.health, now) for member in self._members)


def nearest(members: Sequence[Member]) -> Sequence[Member]:
    """The members with the least distance, in the same order."""
    distances = {member.distance for member in members}
    if len(distances) < 2:
        return members
    least = min(distances)
    return [member for member in members if member.distance == least]
