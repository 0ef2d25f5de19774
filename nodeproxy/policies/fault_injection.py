"""The handler of `fault`: delays requests, and answers them in place of the service."""

from collections.abc import Awaitable
from typing import NamedTuple

from nodeproxy.balance.share import Share
from nodeproxy.exchange.exchange import Exchange, Handler, Tools
from nodeproxy.protocol.errors_as_responses import own_response
from nodeproxy.protocol.grpc import as_http
from nodeproxy.protocol.message import Response
from nodeproxy.routing.router import Router

REASON = "fault-injected"
TEXT = b"nodeproxy: fault-injected: the service's policy fault answers this request; it was sent to no endpoint\n"


class Delayed:
    """Counts requests that wait; shared by the states before and after an update."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Delay(NamedTuple):
    """Which requests wait, and how long."""

    share: Share
    delay_s: float


class Abort(NamedTuple):
    """Which requests are answered, and with what: exactly one status is set."""

    share: Share
    http_status: int | None
    grpc_status: int | None

    def response(self, exchange: Exchange) -> Response:
        """The answer to `exchange`."""
        status, lines = self.http_status, b"x-mesh-error: fault-injected\r\n"
        if self.grpc_status is not None:
            status = as_http(self.grpc_status)
            if exchange.call is not None:
                lines += b"grpc-status: %d\r\n" % self.grpc_status
        assert status is not None  # validated
        response = own_response(status, TEXT, b"text/plain; charset=utf-8", lines)
        response.reason = REASON
        return response


class FaultState(NamedTuple):
    """The state of `fault` for one service port."""

    match: Router | None
    """Has one rule; None: all requests match."""
    delay: Delay | None
    abort: Abort | None
    most: int
    """Requests that may wait at once."""
    delayed: Delayed


class Faults:
    """Chooses requests; those not chosen are passed on without a wait and without a frame around them."""

    __slots__ = ("_inner", "_state", "_tools")

    def __init__(self, state: FaultState, inner: Handler, tools: Tools) -> None:
        self._state = state
        self._inner = inner
        self._tools = tools

    def __call__(self, exchange: Exchange) -> Awaitable[Response]:
        """See Handler."""
        match, delay, abort, most, delayed = self._state
        if match is not None and match.find(exchange.request, exchange.caller) < 0:
            return self._inner(exchange)
        waits = delay is not None and delay.share.due()
        aborts = abort is not None and abort.share.due()
        decisions = self._tools.decisions
        if waits and delayed.count >= most:
            waits = False
            decisions.count("not-delayed", exchange)
        if waits:
            decisions.count("delayed", exchange)
        if aborts:
            decisions.count("aborted", exchange)
        if decisions.shadow or not (waits or aborts):
            return self._inner(exchange)
        return self._with_faults(exchange, delay if waits else None, abort if aborts else None)

    async def _with_faults(self, exchange: Exchange, delay: Delay | None, abort: Abort | None) -> Response:
        if delay is not None:
            delayed = self._state.delayed
            delayed.count += 1
            try:
                await self._tools.sleep(delay.delay_s)
            finally:
                delayed.count -= 1
        if abort is not None:
            return abort.response(exchange)
        # Limits of policies count from its beginning, which for them is now; logs and metrics have the whole time.
        began, exchange.started = exchange.started, self._tools.now()
        try:
            return await self._inner(exchange)
        finally:
            exchange.started = began
