"""`retries`: whether a failed try is sent again, when, and how often.

Decides from the error or the status alone; the balancer chooses the endpoint of the next try. A request whose body
can no longer be repeated is never sent again, whatever the settings.
"""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field

from nodeproxy.errors import ConnectFailed, ConnectionLost, DeadlinePassed, EndpointError, ProxyError
from nodeproxy.exchange.exchange import Exchange, Handler, Tools
from nodeproxy.policies.block import Block, Duration, Policy, PolicySettings
from nodeproxy.protocol.message import Body, Response

Condition = Literal["connect-failure", "reset", "timeout", "gateway-error", "5xx", "retriable-status-codes"]
KEPT_BYTES = 64 * 1024  # of a request body, buffered for the next try; as Linkerd


class Backoff(Block):
    """Waits between tries: a random fraction of `base`, doubled per try, at most `max`. As Envoy's."""

    base_s: Duration = 0.025
    max_s: Duration = 0.25


class RetriesSettings(PolicySettings):
    """`attempts` counts tries beyond the first; 0 switches retries off.

    A request is delivered to endpoints at most 1 + `attempts` times, however the tries fail. A repeat after the
    endpoint closed an idle connection (RFC 9112, 9.3.1) counts as well; 0 does not switch off this one repeat.

    A try that failed before the endpoint can have received the request (`connect-failure`) is sent again for every
    method. All other conditions apply only to `methods`: by default those that RFC 9110, 9.2.2 calls idempotent.
    """

    attempts: Annotated[int, Field(ge=0, le=10)] = 2  # Istio's default
    per_try_timeout_s: Duration = 0.0
    retry_on: tuple[Condition, ...] = ("connect-failure", "reset")
    codes: tuple[Annotated[int, Field(ge=400, le=599)], ...] = ()
    methods: tuple[Annotated[str, Field(pattern=r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$")], ...] = (
        "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE",
    )  # fmt: skip
    backoff: Backoff = Backoff()


def retried_statuses(settings: RetriesSettings) -> frozenset[int]:
    """The statuses of responses that count as failed tries."""
    statuses = set(settings.codes if "retriable-status-codes" in settings.retry_on else ())
    if "gateway-error" in settings.retry_on:
        statuses |= {502, 503, 504}
    if "5xx" in settings.retry_on:
        statuses |= set(range(500, 600))
    return frozenset(statuses)


def may_resend(error: ProxyError, idempotent: bool, settings: RetriesSettings) -> bool:
    """Whether a request that failed with `error` may be sent again, its body permitting."""
    if isinstance(error, ConnectFailed):
        return "connect-failure" in settings.retry_on
    if not idempotent:
        return False
    if isinstance(error, DeadlinePassed):
        return "timeout" in settings.retry_on
    return isinstance(error, ConnectionLost) and "reset" in settings.retry_on


def backoff_s(attempt: int, backoff: Backoff, random: Callable[[], float]) -> float:
    """Seconds to wait before retry number `attempt`, counted from 1: fully jittered, exponential, bounded.

    Source: Envoy, retry_back_off; AWS Architecture Blog, Exponential Backoff And Jitter.
    """
    return random() * min(backoff.max_s, backoff.base_s * 2.0 ** (attempt - 1))


class BufferedBody:
    """A streamed body that buffers its first KEPT_BYTES, so that it can be sent again."""

    __slots__ = ("_at", "_body", "_buffered", "_size", "length", "streamed", "trailers")

    def __init__(self, body: Body) -> None:
        self.length = body.length
        self.streamed = True
        self.trailers = b""
        self._body = body
        self._buffered: list[bytes] | None = []
        self._size = 0
        self._at = 0

    async def read(self) -> bytes:
        """See Body."""
        buffered = self._buffered
        if buffered is not None and self._at < len(buffered):
            self._at += 1
            return buffered[self._at - 1]
        piece = await self._body.read()
        self.trailers = self._body.trailers
        self._size += len(piece)
        if self._size > KEPT_BYTES:
            self._buffered = None
        elif self._buffered is not None and piece:
            self._buffered.append(piece)
            self._at += 1
        return piece

    def rewind(self) -> bool:
        """See Body."""
        self._at = 0
        return self._buffered is not None


class Retries:
    """Sends an exchange again when its try failed and policy, method, body and time all permit it."""

    def __init__(self, settings: RetriesSettings, inner: Handler, tools: Tools) -> None:
        self._settings = settings
        self._inner = inner
        self._tools = tools
        self._statuses = retried_statuses(settings)
        self._methods = frozenset(method.encode() for method in settings.methods)
        self._per_try_s = settings.per_try_timeout_s

    async def __call__(self, exchange: Exchange) -> Response:
        """The first response that is not a failed try, or the last response."""
        if exchange.body.streamed:
            exchange.body = BufferedBody(exchange.body)
        idempotent = exchange.request.method in self._methods
        exchange.deliveries_most = 1 + self._settings.attempts
        attempt = 0
        while True:
            try:
                response = await self._try(exchange)
                if response.status not in self._statuses or not idempotent or not self._again(exchange, attempt):
                    return response
                response.close()
            except EndpointError as error:
                if not may_resend(error, idempotent, self._settings) or not self._again(exchange, attempt):
                    raise
            attempt += 1
            self._tools.stats.retries += 1
            exchange.scope.moved(self._tools.now())
            await self._tools.sleep(backoff_s(attempt, self._settings.backoff, self._tools.random))

    async def _try(self, exchange: Exchange) -> Response:
        if not self._per_try_s:
            return await self._inner(exchange)
        outer = exchange.scope
        if not exchange.body.streamed:  # the client determines how long a streamed body takes
            now = self._tools.now()
            exchange.scope = outer.child(now + self._per_try_s)
            exchange.scope.moved(now)
        try:
            response = await self._inner(exchange)
        finally:
            exchange.scope = outer
        outer.moved(self._tools.now())
        return response

    def _again(self, exchange: Exchange, attempt: int) -> bool:
        """Whether there is a next try. Call it last: it restarts the body, which may still be being sent."""
        in_time = self._tools.now() < exchange.scope.ends()
        return attempt < self._settings.attempts and in_time and exchange.may_be_delivered_again()


def wrap(settings: RetriesSettings, inner: Handler, tools: Tools, _state: object = None) -> Handler:
    """`inner` with retries, or `inner` itself if `settings` switch them off."""
    return Retries(settings, inner, tools) if settings.attempts else inner


POLICY = Policy("retries", RetriesSettings, wrap, default=True)
