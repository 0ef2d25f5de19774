"""`rateLimit`: at most so many requests per second to a service port, on each worker of the node."""

from typing import Annotated

from pydantic import Field

from nodeproxy.errors import RateLimited
from nodeproxy.exchange.exchange import Exchange, Tools
from nodeproxy.policies.block import Policy, PolicySettings
from nodeproxy.protocol.errors_as_responses import error_response
from nodeproxy.protocol.message import Response


class RateLimitSettings(PolicySettings):
    """A token bucket: `burst` requests at once, `requestsPerSecond` in the long run."""

    requests_per_second: Annotated[float, Field(gt=0, le=1e6, strict=False)]
    burst: Annotated[int, Field(ge=1, le=1_000_000)] = 1


class Bucket:
    """Its tokens come back steadily, up to `burst`; a request takes one."""

    __slots__ = ("_burst", "_now", "_per_second", "_since", "_tokens")

    def __init__(self, settings: RateLimitSettings, before: "Bucket | None", tools: Tools) -> None:
        self._per_second = settings.requests_per_second
        self._burst = float(settings.burst)
        self._now = tools.now
        self._since = tools.now()
        # A change of its settings is no way around the limit: what was taken stays taken.
        self._tokens = self._burst if before is None else min(self._burst, before.tokens())

    def tokens(self) -> float:
        """The number of tokens now."""
        return min(self._burst, self._tokens + (self._now() - self._since) * self._per_second)

    def take(self) -> float:
        """Take a token; returns 0, or after how many seconds there will be one."""
        tokens, self._since = self.tokens(), self._now()
        self._tokens = tokens - 1 if tokens >= 1 else tokens
        return 0.0 if tokens >= 1 else (1 - tokens) / self._per_second


def on_request(_exchange: Exchange, bucket: Bucket) -> Response | None:
    """429 with Retry-After when the bucket is empty. Source: RFC 6585, 4; RFC 9110, 10.2.3."""
    wait_s = bucket.take()
    if not wait_s:
        return None
    return error_response(RateLimited("more requests than rateLimit allows; see Retry-After"), wait_s)


POLICY = Policy(
    "rateLimit",
    RateLimitSettings,
    state=Bucket,
    on_request=on_request,
    outcomes={"rejected": "answered with 429: the bucket had no token"},
)
