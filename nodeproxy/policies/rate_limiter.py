"""The limits of one service port: admits a request when all that count it have a token, or refuses it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor

from nodeproxy.errors import RateLimited
from nodeproxy.exchange.exchange import Exchange, Tools
from nodeproxy.limits.buckets import Bucket, Buckets, Refusal
from nodeproxy.limits.leases import Exhausted, Lease, Unleased
from nodeproxy.policies.limit_parts import Always, Part
from nodeproxy.protocol.errors_as_responses import error_response
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Response

OUTCOMES = {
    "rejected": "answered with 429: a limit had no token; counted beside it is which one",
    "by-total": "rejected by `total`",
    "by-caller": "rejected by `perCaller`",
    "by-override": "rejected by one of `overrides`",
    "by-header": "rejected by `byHeader`",
    "by-rule": "rejected by one of `rules`",
    "by-global": "rejected by `global`",
    "unleased": "`global` had no lease, as its server did not answer: by the fair share of this node, or rejected",
}
SHOWN = {
    "total": "total", "caller": "perCaller", "override": "overrides", "header": "byHeader", "rule": "rules",
    "global": "global",
}  # fmt: skip
AGAIN_S = 1.0  # when to come again if a lease is used up: the control process leases more within a fraction of it


@dataclass(frozen=True, slots=True)
class Cluster:
    """A limit of the whole cluster as a worker uses it."""

    lease: Lease
    share: Bucket
    """What counts while there is no lease; its rate and burst are this node's share. Leased tokens count in it too:
    the end of a lease is no second burst."""
    rate: float
    burst: float
    fail_open: bool


class Limiter:
    """State of the policy `rateLimit`. What was taken is in `buckets`, which outlive it."""

    __slots__ = ("_cluster", "_counts", "_now", "_parts", "_port", "_single", "buckets", "headers")

    def __init__(
        self, buckets: Buckets, parts: tuple[Part, ...], cluster: Cluster | None, tools: Tools, headers: bool
    ) -> None:
        self.buckets = buckets
        self.headers = headers
        """Whether successes have RateLimit fields."""
        self._parts = parts
        self._cluster = cluster
        self._now = tools.now
        self._counts = tools.decisions
        self._port = tools.decisions.service_port
        only = parts[0] if len(parts) == 1 and cluster is None else None
        self._single = only.only if isinstance(only, Always) else None

    def admit(self, exchange: Exchange) -> Response | None:
        """None if the request may pass, else 429 with Retry-After. Source: RFC 6585, 4; RFC 9110, 10.2.3."""
        now = self._now()
        if self._single is not None:
            refusal = self.buckets.take(self._single, now)
        else:
            refusal = self._take(self._counting(exchange), now)
        if refusal is None:
            return None
        self._counts.count(f"by-{refusal.limit}")
        error = RateLimited(
            f"rateLimit.{SHOWN[refusal.limit]} of {self._port or 'this service'} has no token left; see Retry-After"
        )
        response = error_response(error, refusal.wait_s)
        self._describe(response.fields, exchange, now, refusal)
        return response

    def inform(self, exchange: Exchange, response: Response) -> None:
        """Add the RateLimit fields to the response to a request that has passed."""
        if response.reason != RateLimited.reason:
            self._describe(response.fields, exchange, self._now(), None)

    def _counting(self, exchange: Exchange) -> list[Bucket]:
        return [bucket for part in self._parts if (bucket := part.bucket(exchange)) is not None]

    def _take(self, counting: list[Bucket], now: float) -> Refusal | None:
        cluster = self._cluster
        if cluster is None:
            return _refusal(self.buckets.take_all(counting, None, now)) if counting else None
        lease, share = cluster.lease, cluster.share
        share.rate, share.burst = cluster.rate / lease.nodes, max(1.0, cluster.burst / lease.nodes)
        answer = self.buckets.take_all(counting, lease, now, share)
        if not isinstance(answer, Unleased):
            return _refusal(answer)
        self._counts.count("unleased")
        if not cluster.fail_open:
            return Refusal("global", AGAIN_S)
        return _refusal(self.buckets.take_all([*counting, share], None, now))

    def _describe(self, fields: Fields, exchange: Exchange, now: float, refusal: Refusal | None) -> None:
        """Set RateLimit-Policy and RateLimit. Source: draft-ietf-httpapi-ratelimit-headers-10, 3 and 4."""
        policies, states = [], []
        for name, bucket in _named(self._counting(exchange)):
            left = floor(self.buckets.left(bucket, now))
            policies.append(_policy(name, bucket.rate, bucket.burst))
            reset_s = (1.0 if left < 1 else bucket.burst - left) / bucket.rate
            if refusal is not None and refusal.limit == bucket.name:
                reset_s = max(reset_s, refusal.wait_s)
            states.append(b'"%b";r=%d;t=%d' % (name, left, ceil(reset_s)))
        cluster = self._cluster
        if cluster is not None:
            policies.append(_policy(b"global", cluster.rate, cluster.burst))
            if refusal is not None and refusal.limit == "global":
                states.append(b'"global";r=0;t=%d' % max(1, ceil(refusal.wait_s)))
        if policies:
            fields.set(b"RateLimit-Policy", b", ".join(policies))
        if states:
            fields.set(b"RateLimit", b", ".join(states))


def _named(buckets: Sequence[Bucket]) -> Iterator[tuple[bytes, Bucket]]:
    """Each bucket with the name of its limit; of several rules the second is `rules-2`."""
    seen: dict[str, int] = {}
    for bucket in buckets:
        name = SHOWN[bucket.name]
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name}-{seen[name]}").encode(), bucket


def _policy(name: bytes, rate: float, burst: float) -> bytes:
    """A quota in whole seconds: at least what the bucket lets through in one."""
    quota = max(burst, floor(rate))
    return b'"%b";q=%d;w=%d' % (name, quota, max(1, ceil(quota / rate)))


def _refusal(answer: Refusal | Exhausted | Unleased | None) -> Refusal | None:
    return answer if answer is None or isinstance(answer, Refusal) else Refusal("global", AGAIN_S)


def admitted(exchange: Exchange, limiter: Limiter) -> Response | None:
    """429 with Retry-After where a limit refuses."""
    return limiter.admit(exchange)


def informed(exchange: Exchange, response: Response, limiter: Limiter) -> None:
    """RateLimit fields, where the settings ask for them."""
    if limiter.headers:
        limiter.inform(exchange, response)
