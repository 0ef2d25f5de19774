"""Timeouts in shadow mode: no deadline is set, and what would have passed one is counted."""

from math import inf

from nodeproxy.errors import ProxyError
from nodeproxy.exchange.exchange import Exchange, Handler, Tools
from nodeproxy.io.scope import Scope
from nodeproxy.policies.deadlines import Limits
from nodeproxy.protocol.message import Ending, Response


class Watch(Scope):
    """A scope without bounds of its own that measures."""

    __slots__ = ("longest_silence_s", "moved_at", "since")

    def __init__(self, outer: Scope, now: float, streamed: bool) -> None:
        super().__init__(outer.task, outer)
        self.moved_at = now
        self.longest_silence_s = 0.0
        self.since = inf if streamed else now
        """When the request's last byte was there, monotonic seconds; infinite while it is not."""

    def moved(self, now: float) -> None:
        """See Scope."""
        self.longest_silence_s = max(self.longest_silence_s, now - self.moved_at)
        self.moved_at = now
        super().moved(now)

    def body_sent(self, now: float) -> None:
        """See Scope."""
        if self.since == inf:
            self.since = now
        super().body_sent(now)


class Overruns:
    """Counts exchanges that a `Deadlines` with these limits would have ended, by which limit."""

    def __init__(self, limits: Limits, inner: Handler, tools: Tools) -> None:
        self._limits = limits
        self._inner = inner
        self._tools = tools

    async def __call__(self, exchange: Exchange) -> Response:
        """See Handler."""
        outer = exchange.scope
        watch = exchange.scope = Watch(outer, exchange.started, exchange.body.streamed)
        try:
            response = await self._inner(exchange)
        except ProxyError:
            exchange.scope = outer
            self._head(exchange, watch)
            self.ended(exchange, watch)
            raise
        self._head(exchange, watch)
        if response.attempt is None:
            self.ended(exchange, watch)
        else:
            response.attempt = Measured(self, exchange, watch, response.attempt)
        return response

    def _head(self, exchange: Exchange, watch: Watch) -> None:
        if self._tools.now() - watch.since > self._limits.head_s:
            self._tools.decisions.count("response-head", exchange)

    def ended(self, exchange: Exchange, watch: Watch) -> None:
        """The exchange has had its last byte, or failed."""
        now = self._tools.now()
        watch.longest_silence_s = max(watch.longest_silence_s, now - watch.moved_at)
        if now - watch.since > self._limits.request_s:
            self._tools.decisions.count("request", exchange)
        if watch.longest_silence_s > self._limits.idle_s:
            self._tools.decisions.count("idle", exchange)


class Measured:
    """The end of an attempt, which is that of its exchange."""

    __slots__ = ("_attempt", "_exchange", "_overruns", "_watch")

    def __init__(self, overruns: Overruns, exchange: Exchange, watch: Watch, attempt: Ending) -> None:
        self._overruns = overruns
        self._exchange = exchange
        self._watch: Watch | None = watch
        self._attempt = attempt

    def end(self, outcome: int | str) -> None:
        """See `message.Ending`."""
        watch, self._watch = self._watch, None
        if watch is not None:
            self._overruns.ended(self._exchange, watch)
        self._attempt.end(outcome)


class AttemptOverruns:
    """Counts attempts that an `AttemptTimeout` would have ended."""

    def __init__(self, limit_s: float, outcome: str, inner: Handler, tools: Tools) -> None:
        self._limit_s = limit_s
        self._outcome = outcome
        self._inner = inner
        self._tools = tools

    async def __call__(self, exchange: Exchange) -> Response:
        """See Handler."""
        outer = exchange.scope
        watch = exchange.scope = Watch(outer, self._tools.now(), exchange.body.streamed)
        try:
            return await self._inner(exchange)
        finally:
            exchange.scope = outer
            if self._tools.now() - watch.since > self._limit_s:
                self._tools.decisions.count(self._outcome, exchange)
