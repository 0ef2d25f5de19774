"""How many requests per second a canary gets: the same number whatever the load, evenly spread.

A token may be late by a moment without being lost: by one interval of the rate, because requests do not come at the
times of the tokens, and by LAG_S where that is longer, because a busy worker may not look for some milliseconds. So
over every second in which enough requests come, the canary gets its rate within one request. After a pause there is no
burst.
"""

from nodeproxy.exchange.exchange import Tools
from nodeproxy.limits.buckets import Bucket, Buckets
from nodeproxy.limits.leases import Lease, Unleased
from nodeproxy.limits.memory import hashed, region_of
from nodeproxy.policies.route_rules import Canary
from nodeproxy.policies.routes import rule_port

LAG_S = 0.02  # four times what a worker's lane works without looking at its sockets (ARCHITECTURE.md)


class Pace:
    """The state of a canary of one service port. What was taken is in the node's buckets, which outlive it."""

    __slots__ = ("_bucket", "_buckets", "_lease", "_now", "_rate", "_share", "decisions")

    def __init__(self, name: str, canary: Canary, tools: Tools) -> None:
        """`name` is unique on the node, and the same on all nodes; see `pace_name`."""
        self._rate = rate = canary.requests_per_second
        region, burst = region_of(name), most_at_once(rate)
        self._buckets = tools.buckets or Buckets.private()
        self._now = tools.now
        self.decisions = tools.decisions
        self._bucket = Bucket("canary", region, hashed(name, "canary"), rate, burst)
        self._lease = Lease(name) if canary.scope == "cluster" else None
        self._share = Bucket("global", region, hashed(name, "global"), rate, burst)

    def admits(self) -> bool:
        """Whether the canary gets a request now; it counts as sent."""
        now, lease = self._now(), self._lease
        if lease is None:
            return self._buckets.paced(self._bucket, now)
        share = self._share
        share.rate = self._rate / lease.nodes
        share.burst = most_at_once(share.rate)
        answer = self._buckets.take_all((self._bucket,), lease, now, share)
        if isinstance(answer, Unleased):  # the server does not answer: each node by its share
            return self._buckets.paced(share, now)
        return answer is None


def most_at_once(rate: float) -> float:
    """The burst of a canary with this rate, in requests."""
    return 1.0 + max(1.0, rate * LAG_S)


def pace_name(service_port: str, label: str) -> str:
    """The name under which a rule's canary is counted; `label` is the rule's."""
    return f"{rule_port(service_port, label)} canary"
