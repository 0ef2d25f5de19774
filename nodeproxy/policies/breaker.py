"""The handler of `circuitBreaker`: asks the circuit, and reports to it what became of the request."""

from collections.abc import Callable
from math import inf

from nodeproxy.balance.judge import FAILURES
from nodeproxy.errors import CircuitOpen, EndpointError
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Exchange, Handler
from nodeproxy.policies.circuit import REJECTED, Circuit
from nodeproxy.protocol.errors_as_responses import error_response
from nodeproxy.protocol.grpc import effective_status
from nodeproxy.protocol.message import Ending, Response

FAILED = 500
REJECTION = "the service's policy circuitBreaker has seen too many failures or slow responses; check its endpoints"


class Breaker:
    """Sends on what the circuit admits.

    Failures are errors of endpoints, timeouts among them, and their responses with 5xx, or with a gRPC status of the
    same meaning. An answer of the mesh's own, an error of the client and a client that has gone say nothing of the
    service.
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
            return response
        slow = now() - began > slower_than_s
        if exchange.call is not None and response.body is not None and response.attempt is not None:
            response.attempt = Verdict(circuit, ticket, slow, now, response.attempt)
            return response
        status = response.status if exchange.call is None else effective_status(response)
        circuit.record(ticket, now(), status >= FAILED, slow)
        return response


class Verdict:
    """The end of an attempt of a gRPC call, whose status comes in the trailers: then its result counts."""

    __slots__ = ("_attempt", "_circuit", "_now", "_slow", "_ticket")

    def __init__(self, circuit: Circuit, ticket: int, slow: bool, now: Callable[[], float], attempt: Ending) -> None:
        self._circuit: Circuit | None = circuit
        self._ticket = ticket
        self._slow = slow
        self._now = now
        self._attempt = attempt

    def end(self, outcome: int | str) -> None:
        """See `message.Ending`. A client that goes away says nothing about the service."""
        circuit, self._circuit = self._circuit, None
        if circuit is not None:
            if isinstance(outcome, int):
                circuit.record(self._ticket, self._now(), outcome >= FAILED, self._slow)
            elif outcome in FAILURES:
                circuit.record(self._ticket, self._now(), True, self._slow)
            else:
                circuit.drop(self._ticket)
        self._attempt.end(outcome)
