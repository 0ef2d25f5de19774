"""The handler of `adaptiveConcurrency`: asks the gradient controller, and reports how long the request took."""

from collections.abc import Callable

from nodeproxy.errors import DeadlinePassed, Overloaded
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Exchange, Handler
from nodeproxy.policies.gradient import REJECTED, UNMEASURED, Gradient
from nodeproxy.protocol.errors_as_responses import error_response
from nodeproxy.protocol.grpc import effective_status
from nodeproxy.protocol.message import Response

RETRY_AFTER_S = 1.0  # the least that can be said; the limit moves within tenths of a second
REJECTION = "more requests at once than the service's policy adaptiveConcurrency finds it to bear; check its capacity"


class Limiter:
    """Sends on what the controller admits, which is under way until the head of its response.

    Not longer: how fast a client reads a response is not the service's latency. For the same reason a request whose
    body is still arriving is counted and not measured. Refusals are quick and must not pass for a fast service:
    429, 5xx, gRPC statuses of that meaning, failed connections and answers of other policies are not measured either.
    Timeouts are.
    """

    __slots__ = ("_decisions", "_gradient", "_inner", "_now")

    def __init__(self, gradient: Gradient, inner: Handler, now: Callable[[], float], decisions: Decisions) -> None:
        self._gradient = gradient
        self._inner = inner
        self._now = now
        self._decisions = decisions

    async def __call__(self, exchange: Exchange) -> Response:
        """The response of a service that takes the request, else 503 with Retry-After."""
        gradient, now = self._gradient, self._now
        began = now()
        ticket = gradient.admit(began)
        if ticket == REJECTED:
            self._decisions.count("rejected", exchange)
            if not self._decisions.shadow:
                return error_response(Overloaded(REJECTION), RETRY_AFTER_S)
            return await self._inner(exchange)
        measured = not exchange.body.streamed
        try:
            response = await self._inner(exchange)
        except DeadlinePassed:
            gradient.sample(ticket if measured else UNMEASURED, began, now())
            raise
        except BaseException:
            gradient.drop(ticket, began, now())
            raise
        status = response.status if exchange.call is None else effective_status(response)
        if measured and not response.reason and status < 500 and status != 429:
            gradient.sample(ticket, began, now())
        else:
            gradient.end(ticket, now())
        return response
