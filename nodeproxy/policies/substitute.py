"""The handler of `fallback`: what a client gets in place of a failure."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from nodeproxy.errors import ProxyError
from nodeproxy.exchange.exchange import Exchange, Handler, Tools
from nodeproxy.protocol.errors_as_responses import own_response
from nodeproxy.protocol.grpc import effective_status
from nodeproxy.protocol.message import Response

FIELD = b"x-mesh-fallback"


@dataclass(frozen=True, slots=True)
class Static:
    """A response that is always the same."""

    status: int
    content_type: bytes
    body: bytes
    lines: bytes
    """Field lines beside those about the body."""

    def response(self, reason: str) -> Response:
        """A new one, in place of a failure for this reason."""
        lines = b"%b%b: %b\r\n" % (self.lines, FIELD, reason.encode())
        response = own_response(self.status, self.body, self.content_type, lines)
        response.reason = reason
        return response


@dataclass(frozen=True, slots=True)
class Other:
    """Another service, and how long it may take to the head of its response."""

    handler: Handler
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which failures are replaced."""

    reasons: Mapping[str, str]
    """The condition of each reason of an error, or of an answer of the mesh's own."""
    statuses: Mapping[int, str]
    """The condition of each status of an endpoint's response."""


class Fallback:
    """Replaces failures; the reason stays that of the failure in metrics, the access log and the field x-mesh-fallback.

    What the other service answers is final, whatever it is. Where it fails, or the request cannot be sent again, the
    client gets the failure.
    """

    __slots__ = ("_conditions", "_inner", "_instead", "_tools")

    def __init__(self, conditions: Conditions, instead: Static | Other, inner: Handler, tools: Tools) -> None:
        self._conditions = conditions
        self._instead = instead
        self._inner = inner
        self._tools = tools

    async def __call__(self, exchange: Exchange) -> Response:
        """The response of the service, or what replaces it."""
        failure: ProxyError | None = None
        condition: str | None = None
        try:
            response = await self._inner(exchange)
        except ProxyError as error:
            condition = self._conditions.reasons.get(error.reason)
            if condition is None:
                raise
            failure = error
        if failure is not None and condition is not None:
            try:
                substitute = await self._substitute(exchange, condition, failure.reason)
                if substitute is None:
                    raise failure
                return substitute
            finally:
                failure = None  # an error that a frame of its traceback held would hold the frame
        status = response.status if exchange.call is None else effective_status(response)
        if response.reason:
            condition = self._conditions.reasons.get(response.reason)
        elif status >= 500:
            condition = self._conditions.statuses.get(status)
        else:
            return response
        if condition is None:
            return response
        try:
            substitute = await self._substitute(exchange, condition, response.reason or condition)
        except BaseException:  # the client has gone, and nobody else has this response
            response.close()
            raise
        if substitute is None:
            return response
        response.close()
        return substitute

    async def _substitute(self, exchange: Exchange, condition: str, reason: str) -> Response | None:
        decisions, instead = self._tools.decisions, self._instead
        if decisions.shadow:
            decisions.count(condition, exchange)
            return None
        if isinstance(instead, Static):
            decisions.count(condition, exchange)
            return instead.response(reason)
        # A body that is still being sent to the endpoint, whose answer came early, has its one reader.
        if exchange.uploading or (exchange.deliveries and not exchange.body.rewind()):
            decisions.count("not-resendable", exchange)
            return None
        try:
            response = await self._ask(exchange, instead)
        except ProxyError as error:
            if error.fault == "client":
                raise
            decisions.count("failed", exchange)
            return None
        decisions.count(condition, exchange)
        response.fields.set(FIELD, reason.encode())
        response.reason = reason
        return response

    async def _ask(self, exchange: Exchange, other: Other) -> Response:
        """The other service's response: a new beginning for the exchange, in time of its own."""
        exchange.answered, exchange.tried = False, None
        exchange.deliveries_most = exchange.deliveries + 2  # as of a new exchange, see there
        scope, now = exchange.scope, self._tools.now
        before = scope.until
        began = now()
        scope.until = began + other.timeout_s
        scope.moved(began)
        try:
            response = await other.handler(exchange)
        except ProxyError:
            scope.until = before
            scope.moved(now())
            raise
        scope.allowance_s = inf
        scope.extend(inf, now())
        return response
