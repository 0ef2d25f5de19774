"""How many tokens of a limit a node claims from its server, and how many it may use before it has them.

So a limit may be exceeded, in all, by a quarter of a second of its rate and one request per node.
"""

from dataclasses import dataclass
from math import floor

from discovery.cluster_limits.wanted import ClusterLimit
from nodeproxy.limits.leases import LeaseState

# Each is a time at the limit's rate. A busy node claims every 20 ms, or every 50 ms from a distant server.
CREDIT_S = 0.1  # may be used before it is paid, so that a node's first request waits for nothing; shared by all nodes
AHEAD_S = 0.1  # is leased ahead, shared by the nodes that use this limit now
SLACK_S = 0.05  # is added to the burst on the server: otherwise a small burst is lost while no node asks for it
IDLE_S = 1.0  # without a request, before a node returns what it has leased ahead
EXHAUSTED_S = 1.0  # the longest wait for the next claim after the server had nothing left


@dataclass(frozen=True, slots=True)
class Claim:
    """What a node asks the server for."""

    limit: ClusterLimit
    tokens: float
    """To be granted as far as the limit allows; less than 0: returned."""
    owed: float = 0.0
    """Used without a lease, counted whatever the limit allows."""

    @property
    def burst(self) -> float:
        """How many tokens the server may have granted at once after a pause."""
        return self.limit.burst + self.limit.rate * SLACK_S


class Account:
    """One limit on this node, from one claim to the next. Pure: `now` is monotonic seconds."""

    def __init__(self, limit: ClusterLimit) -> None:
        self.limit = limit
        self.users = 1.0
        """How many nodes use this limit now, as the server said last."""
        self._asked = 0.0
        self._busy_until = 0.0
        self._not_before = 0.0

    def credit(self, nodes: float) -> float:
        """What this node may use before it has paid, when there are so many nodes."""
        return max(1.0, floor(self.limit.rate * CREDIT_S / nodes))

    def claim(self, state: LeaseState, now: float) -> Claim | None:
        """The next claim, None if there is nothing to claim."""
        if state.asked != self._asked:
            self._asked, self._busy_until = state.asked, now + IDLE_S
        busy = now < self._busy_until
        ahead = floor(self.limit.rate * AHEAD_S / self.users) if busy else 0.0
        tokens = ahead - state.balance
        if not tokens or now < self._not_before:
            return None
        return Claim(self.limit, tokens)

    def granted(self, claim: Claim, tokens: float, users: float, now: float) -> None:
        """Note the server's answer to the claim."""
        self.users = max(1.0, users)
        if tokens < claim.tokens:
            self._not_before = now + min(EXHAUSTED_S, 0.5 / self.limit.rate)
