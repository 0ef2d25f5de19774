"""A limit on each single attempt: `timeouts.backendRequest` and `retries.perTryTimeout`."""

from math import inf

from nodeproxy.errors import AttemptTimedOut, DeadlinePassed
from nodeproxy.exchange.exchange import Exchange, Handler, Tools
from nodeproxy.protocol.message import Response


class AttemptTimeout:
    """Bounds an attempt from the choice of its endpoint to the response's head.

    While a streamed request body is being sent its pace is the client's: then the limit runs from its last byte, and an
    endpoint that does not read is bounded by the exchange's limit on silence.
    """

    def __init__(self, limit_s: float, name: str, outcome: str, inner: Handler, tools: Tools) -> None:
        """`name` is the setting's, for the error; `outcome` is counted when the limit passes."""
        self._limit_s = limit_s
        self._name = name
        self._outcome = outcome
        self._inner = inner
        self._tools = tools

    async def __call__(self, exchange: Exchange) -> Response:
        """See Handler.

        Raises:
            AttemptTimedOut: the limit has passed, and that of the exchange has not.
        """
        outer = exchange.scope
        now = self._tools.now()
        scope = exchange.scope = outer.child(inf if exchange.body.streamed else now + self._limit_s)
        scope.allowance_s = self._limit_s
        scope.moved(now)
        try:
            response = await self._inner(exchange)
        except DeadlinePassed as error:
            if isinstance(error, AttemptTimedOut) or not scope.until <= self._tools.now() < outer.ends():
                raise
            self._tools.decisions.count(self._outcome, exchange)
            text = f"{exchange.endpoint_name or 'endpoint'}: no response head within {self._limit_s:g} s; {self._name}"
            raise AttemptTimedOut(text) from error
        finally:
            exchange.scope = outer
        outer.moved(self._tools.now())  # its limit ends with the head
        return response
