"""Bounds on what is received: request bodies that are cut off where they grow too large, response heads."""

from nodeproxy.errors import BodyTooLarge, ResponseHeadersTooLarge
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Exchange, Handler
from nodeproxy.protocol.errors_as_responses import error_response
from nodeproxy.protocol.message import UNKNOWN, Body, Response


class BodyBound:
    """How large the request bodies of a service port may be."""

    __slots__ = ("decisions", "limit_bytes")

    def __init__(self, limit_bytes: int, decisions: Decisions) -> None:
        self.limit_bytes = limit_bytes
        self.decisions = decisions


class BoundedBody:
    """A body of unknown length, read up to its bound.

    Beyond it the upload fails, which closes the connection to the endpoint: what it has is not a whole message.
    """

    __slots__ = ("_body", "_bound", "_left_bytes", "length", "streamed", "trailers")

    def __init__(self, body: Body, bound: BodyBound) -> None:
        self.length = body.length
        self.streamed = body.streamed
        self.trailers = b""
        self._body = body
        self._bound = bound
        self._left_bytes = bound.limit_bytes

    async def read(self) -> bytes:
        """See Body.

        Raises:
            BodyTooLarge: this piece passes the bound.
        """
        piece = await self._body.read()
        self.trailers = self._body.trailers
        if len(piece) > self._left_bytes >= 0:
            decisions = self._bound.decisions
            decisions.count("cut-off")
            if not decisions.shadow:
                raise BodyTooLarge(too_large("more", self._bound.limit_bytes))
        self._left_bytes -= len(piece)
        return piece

    def rewind(self) -> bool:
        """See Body."""
        self._left_bytes = self._bound.limit_bytes
        return self._body.rewind()


def too_large(size: object, limit_bytes: int) -> str:
    """What the client and the operator read about a request body of this size."""
    return f"the request has {size} bytes of body; the service's policy maxRequestBody allows {limit_bytes}"


class ResponseHeads:
    """Refuses responses of endpoints whose fields are larger than the bound."""

    __slots__ = ("_decisions", "_inner", "_limit_bytes")

    def __init__(self, limit_bytes: int, inner: Handler, decisions: Decisions) -> None:
        self._limit_bytes = limit_bytes
        self._inner = inner
        self._decisions = decisions

    async def __call__(self, exchange: Exchange) -> Response:
        """See Handler.

        Raises:
            ResponseHeadersTooLarge: the response is given up.
        """
        response = await self._inner(exchange)
        size = len(response.fields.block())
        if size <= self._limit_bytes:
            return response
        self._decisions.count("rejected", exchange)
        if self._decisions.shadow:
            return response
        error = ResponseHeadersTooLarge(
            f"{exchange.endpoint_name}: a response with {size} bytes of header fields; the service's policy "
            f"maxResponseHeaders allows {self._limit_bytes}"
        )
        if response.attempt is not None:
            response.attempt.end(error.reason)
        response.close()
        raise error


def bounded(exchange: Exchange, bound: BodyBound) -> Response | None:
    """413 for a body whose length is known and too large; nothing has been sent, and no 100 (Continue).

    Source: RFC 9110, 10.1.1 (a final status in place of 100) and 15.5.14.
    """
    length = exchange.request.length
    if length > bound.limit_bytes:
        return error_response(BodyTooLarge(too_large(length, bound.limit_bytes)))
    if length == UNKNOWN:
        exchange.body = BoundedBody(exchange.body, bound)
    return None
