"""`sessionAffinity: ClientIP`: requests of one client address go to one endpoint for as long as it stays usable.

The first choice depends on client and endpoint alone, so that all workers of a node make the same one; the session
then keeps the client at its endpoint when endpoints are added. Distance has priority over the session, as in
kube-proxy: a client of a far endpoint moves to a near one as soon as one is usable.
"""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Generic, Protocol, TypeVar

from nodeproxy.balance.balancer import Balancer, Candidate, Request

# Clients are the pods of one node: 110 by default, 256 in its usual address range. Sixteen times that is 0.5 MiB per
# service port at the very most; beyond it the least recently used session is dropped.
CLIENTS_MOST = 4096


class Named(Candidate, Protocol):
    """An endpoint with a name that is the same in every worker."""

    name: str


Member = TypeVar("Member", bound=Named)


class StickySessions(Generic[Member]):
    """The endpoint of each client's last request. Survives changes of the endpoints; removed ones are not used."""

    __slots__ = ("_most", "_of", "timeout_s")

    def __init__(self, timeout_s: float, most: int = CLIENTS_MOST) -> None:
        self.timeout_s = timeout_s
        self._most = most
        self._of: OrderedDict[str, tuple[Member, float]] = OrderedDict()

    def endpoint_for(self, client: str, candidates: Sequence[Member], now: float) -> Member:
        """The endpoint for a request of `client` at `now` (monotonic seconds); at least one candidate is needed."""
        member, until = self._of.get(client, (None, 0.0))
        if member is None or now >= until or member not in candidates:
            member = favourite(client, candidates)
        self._of[client] = member, now + self.timeout_s
        self._of.move_to_end(client)
        if len(self._of) > self._most:
            self._of.popitem(last=False)
        return member


def favourite(client: str, candidates: Sequence[Member]) -> Member:
    """The candidate with the highest hash for `client`. Only the clients of a removed candidate get a different one.

    Source: D. Thaler, C. Ravishankar, Using Name-Based Mappings to Increase Hit Rates, 1998 (rendezvous hashing).
    """
    if len(candidates) == 1:
        return candidates[0]
    return max(candidates, key=lambda member: blake2b(f"{client} {member.name}".encode(), digest_size=8).digest())


class StickyBalancer(Generic[Member]):
    """A balancer with sticky sessions. Has the interface of the balancer that it wraps."""

    __slots__ = ("_balancer", "_sessions", "has_others", "review", "usable_count")

    def __init__(self, balancer: Balancer[Member], sessions: StickySessions[Member]) -> None:
        self._balancer = balancer
        self._sessions = sessions
        self.has_others = balancer.has_others
        self.review = balancer.review
        self.usable_count = balancer.usable_count

    def next(self, now: float, request: Request) -> Member | None:
        """See `Balancer.next`. A retry goes to a different endpoint and leaves the client's session unchanged."""
        candidates = self._balancer.candidates(now, request.tried)
        if not candidates:
            return None
        if request.tried:
            return favourite(request.client, candidates)
        return self._sessions.endpoint_for(request.client, candidates, now)
