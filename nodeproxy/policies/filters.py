"""Neighbours in the chain that do not wait, in one handler without a frame for each."""

from collections.abc import Callable, Sequence
from typing import Any

from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Exchange, Handler
from nodeproxy.protocol.message import Response

OnRequest = tuple[Callable[[Exchange, Any], Response | None], object, Decisions]
OnResponse = tuple[Callable[[Exchange, Response, Any], None], object]


class Admission:
    """The same for what is no request: none of them waits, and there is no response to be seen by any."""

    __slots__ = ("_on_request",)

    def __init__(self, on_request: Sequence[OnRequest]) -> None:
        self._on_request = tuple(on_request)

    def refusal(self, exchange: Exchange) -> str:
        """Why a policy refuses `exchange`, as `ProxyError.reason`; "" if it may pass."""
        for on_request, state, decisions in self._on_request:
            response = on_request(exchange, state)
            if response is not None:
                decisions.count("rejected", exchange)
                if not decisions.shadow:
                    return response.reason
        return ""


class Filters:
    """Calls each with the request, until one responds; calls each with the response, of a policy inside too.

    Errors pass by: they are not responses yet.
    """

    def __init__(self, on_request: Sequence[OnRequest], on_response: Sequence[OnResponse], inner: Handler) -> None:
        self._on_request = tuple(on_request)
        self._on_response = tuple(on_response)
        self._inner = inner

    async def __call__(self, exchange: Exchange) -> Response:
        """See Handler."""
        for on_request, state, decisions in self._on_request:
            response = on_request(exchange, state)
            if response is not None:
                decisions.count("rejected", exchange)
                if not decisions.shadow:
                    break
        else:
            response = await self._inner(exchange)
        for on_response, state in self._on_response:
            on_response(exchange, response, state)
        return response
