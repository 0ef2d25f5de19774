"""Consistent hashing: requests with the same key go to the same endpoint while it is usable."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Generic, TypeVar

from nodeproxy.balance.balancer import Balancer
from nodeproxy.balance.hash_key import HashKey, new_cookie
from nodeproxy.balance.hash_tables import HashTable, Ring, SlotTable, hash_of, mixed
from nodeproxy.balance.judge import Asked, Judged, Outcome, Try
from nodeproxy.balance.sticky import Named, favourite
from nodeproxy.protocol.message import Response

PROBES_MOST = 16  # slots looked at for an endpoint within its bound before the least loaded one is used


@dataclass(frozen=True, slots=True)
class Hashing:
    """How a service port is hashed."""

    key: HashKey
    ring: bool
    size: int
    """Slots of the table, or the least points of the ring."""
    factor: float = 0.0
    """An endpoint has at most so many times the mean of exchanges under way; 0: no bound."""

    def table(self, members: Sequence[Any]) -> HashTable[Any]:
        """The table of these members."""
        return Ring(members, self.size) if self.ring else SlotTable(members, self.size)


Member = TypeVar("Member", bound=Named)


class HashBalancer(Generic[Member]):
    """A balancer that hashes. Has the interface of the balancer that it wraps, which has the usable endpoints."""

    __slots__ = ("_among", "_balancer", "_hashing", "_random", "_table", "has_others", "review", "usable_count")

    def __init__(self, balancer: Balancer[Member], hashing: Hashing, random: Callable[[], float]) -> None:
        self._balancer = balancer
        self._hashing = hashing
        self._random = random
        self._among: Sequence[Member] = ()
        self._table: HashTable[Member] | None = None
        self.has_others = balancer.has_others
        self.review = balancer.review
        self.usable_count = balancer.usable_count

    def next(self, now: float, request: Asked) -> Member | None:
        """See `Balancer.next`. A request without a key gets a random endpoint, a retry the next best of its key."""
        candidates = self._balancer.candidates(now, request.tried)
        if not candidates:
            return None
        key = self._hashing.key(request)
        if key is None:
            return candidates[int(self._random() * len(candidates))]
        if request.tried:
            return favourite(key.decode("latin-1"), candidates)
        if candidates is not self._among:
            self._install(candidates)
        assert self._table is not None  # installed with the candidates
        number = hash_of(key)
        member = self._table.pick(number)
        return member if not self._hashing.factor or not member.active else self._within_bound(number, member)

    def _install(self, candidates: Sequence[Member]) -> None:
        """A review makes a new list, most often of the same endpoints."""
        if self._table is None or list(candidates) != list(self._among):
            self._table = self._hashing.table(candidates)
        self._among = candidates

    def _within_bound(self, number: int, member: Member) -> Member:
        """The member of the first of some slots that stays within its bound with one exchange more.

        Source: V. Mirrokni et al., Consistent Hashing with Bounded Loads, 2018; Envoy, hash_balance_factor.
        """
        candidates, table = self._among, self._table
        assert table is not None
        under_way = sum(candidate.active for candidate in candidates) + 1
        bound = ceil(under_way * self._hashing.factor / len(candidates))
        for _ in range(PROBES_MOST):
            if member.active < bound:
                return member
            number = mixed(number + 1)
            member = table.pick(number)
        return min(candidates, key=lambda candidate: candidate.active)


class CookieSetter:
    """The judge that sets a cookie on the response to a request without one, so that the next has a key."""

    def __init__(self, of_request: HashKey, name: str, path: str, ttl_s: float) -> None:
        """A `ttl_s` of 0 makes it a session cookie."""
        self._of_request = of_request
        self._start = f"{name}=".encode()
        age = f"; Max-Age={ceil(ttl_s)}" if ttl_s else ""
        self._end = f"; Path={path or '/'}{age}; HttpOnly".encode()

    def installed(self, members: Sequence[Judged], changed: Callable[[], None]) -> None:
        """See Judge."""

    def responded(self, attempt: Try, response: Response) -> None:
        """See Judge."""
        asked = attempt.exchange
        if not self._of_request(asked):
            response.fields.add(b"Set-Cookie", self._start + new_cookie(asked) + self._end)

    def ended(self, attempt: Try, outcome: Outcome) -> None:
        """See Judge."""
