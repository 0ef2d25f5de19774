"""The handler of `circuitBreaker`: asks the circuit, and tells it what became of the request."""

from collections.abc import Callable
from math import inf

from nodeproxy.errors import CircuitOpen, EndpointError
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Exchange, Handler
from nodeproxy.policies.circuit import REJECTED, Circuit
from nodeproxy.protocol.errors_as_responses import error_response
from nodeproxy.protocol.message import Response

REJECTION = "the service's policy circuitBreaker has seen too many failures or slow responses; check its endpoints"


class Breaker:
    """Sends on what the circuit admits.

    Failures are errors of endpoints, timeouts among them, and their responses with 5xx. An answer of the mesh's own,
    an error of the client and a client that has gone say nothing about the service.
    """

    __slots__ = ("_circuit", "_decisions", "_inner", "_now", "_slower_than_s")

    def __init__(
        self,
        circuit: Circuit,
        slower_than_s: float | None,
        inner: Handler,
        now: Callable[[], float],
        decisions: Decisions,
    ) -> None:
        self._circuit = circuit
        self._slower_than_s = inf if slower_than_s is None else slower_than_s
        self._inner = inner
        self._now = now
        self._decisions = decisions

    async def __call__(self, exchange: Exchange) -> Response:
        """The response of an endpoint, or 503 with Retry-After while the circuit is open."""
        circuit, now = self._circuit, self._now
        began = now()
        ticket = circuit.admit(began)
        if ticket == REJECTED:
            self._decisions.count("rejected", exchange)
            if not self._decisions.shadow:
                return error_response(CircuitOpen(REJECTION), circuit.wait_s(began))
        # Its duration would be the client's, where that still sends the request's body.
        slower_than_s = inf if exchange.body.streamed else self._slower_than_s
        try:
            response = await self._inner(exchange)
        except EndpointError:
            ended = now()
            circuit.record(ticket, ended, True, ended - began > slower_than_s)
            raise
        except BaseException:
            circuit.drop(ticket)
            raise
        if response.reason:
            circuit.drop(ticket)
        else:
            ended = now()
            circuit.record(ticket, ended, response.status >= 500, ended - began > slower_than_s)
        return response
