"""The deadlines of an exchange, as the policy `timeouts` sets them."""

from dataclasses import dataclass
from math import inf

from nodeproxy.errors import DeadlinePassed
from nodeproxy.exchange.exchange import Exchange, Handler, Tools
from nodeproxy.protocol.message import Response


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds; infinite where there is no limit."""

    head_s: float
    """From the request's last byte to the response's head; not more than `request_s`."""
    request_s: float
    """From the request's last byte to the response's."""
    idle_s: float
    """Without a byte that moves."""


class Deadlines:
    """Sets the exchange's deadlines; the reactor interrupts the task when one passes."""

    def __init__(self, limits: Limits, inner: Handler, tools: Tools) -> None:
        self._request_s = limits.request_s
        self._head_s = limits.head_s
        self._body_s = limits.request_s - limits.head_s if limits.request_s < inf else inf
        self._idle_s = limits.idle_s
        self._inner = inner
        self._tools = tools

    async def __call__(self, exchange: Exchange) -> Response:
        """Pass `exchange` on with its limits set."""
        scope = exchange.scope
        scope.idle_s = self._idle_s
        if exchange.body.streamed:
            scope.allowance_s = self._head_s
        else:
            scope.until = exchange.started + self._head_s
        scope.moved(exchange.started)
        try:
            response = await self._inner(exchange)
        except DeadlinePassed as error:
            if type(error) is DeadlinePassed:  # not that of a single attempt, which has been counted and explained
                self._explain(exchange, error)
            raise
        scope.allowance_s = self._request_s  # a request whose body is still being sent
        scope.extend(scope.until + self._body_s, exchange.started)
        return response

    def _explain(self, exchange: Exchange, error: DeadlinePassed) -> None:
        """Count which limit has passed, and name it: the next thing to ask is where it was set."""
        call, now = exchange.call, self._tools.now()
        if call is not None and now >= call.deadline:
            outcome, limit_s, text = "grpc-timeout", call.deadline - exchange.started, "no response head; grpc-timeout"
        elif now < exchange.scope.until:
            outcome, limit_s, text = "idle", self._idle_s, "no byte has moved; timeouts.idle"
        elif self._head_s < self._request_s:
            outcome, limit_s, text = "response-head", self._head_s, "no response head; timeouts.responseHead"
        else:
            outcome, limit_s, text = "request", self._request_s, "no response head; timeouts.request"
        self._tools.decisions.count(outcome, exchange)
        side = "client" if outcome == "grpc-timeout" else "service"
        last = f", last asked: {exchange.endpoint_name}" if exchange.endpoint_name else ""
        error.args = (f"{text} of the {side} is {limit_s:g} s{last}",)
