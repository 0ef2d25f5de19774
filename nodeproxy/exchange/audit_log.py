"""The audit log as an observer of exchanges: one line for each that a policy has refused."""

from collections.abc import Callable

from nodeproxy.exchange.access_log import Line, connection_line, line_of
from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.connection import Ended
from nodeproxy.exchange.exchange import Exchange, Observer

DENIALS = {
    "rate-limited": "rateLimit",
    "circuit-open": "circuitBreaker",
    "body-too-large": "maxRequestBody",
    "over-share": "fairness",
    "overloaded": "adaptiveConcurrency",
    "connection-pool-full": "connectionPool",
}
"""The policy that refuses, by the reason of the refusal."""
LINES_MOST = 200  # per second and worker: a flood of refusals is cheap for the mesh, and must stay so


class AuditLog:
    """Passes the fields of each line to `add`, and everything to `before`, the observer behind it."""

    def __init__(self, add: Callable[[Line], None], now: Callable[[], float], before: Observer | None = None) -> None:
        """`now` returns monotonic seconds."""
        self._add = add
        self._now = now
        self._before = before
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def exchange_ended(self, exchange: Exchange, service_port: str, status: int, reason: str, elapsed_s: float) -> None:
        """See Observer."""
        if reason in DENIALS and self._may_add():
            self._denied(reason, line_of(exchange, service_port, status, reason, elapsed_s))
        if self._before is not None:
            self._before.exchange_ended(exchange, service_port, status, reason, elapsed_s)

    def connection_ended(self, connection: Exchange, service_port: str, ended: Ended) -> None:
        """See Observer."""
        if ended.reason in DENIALS and self._may_add():
            self._denied(ended.reason, connection_line(connection, service_port, ended))
        if self._before is not None:
            self._before.connection_ended(connection, service_port, ended)

    def attempt_ended(self, attempt: Attempt) -> None:
        """See Observer."""
        if self._before is not None:
            self._before.attempt_ended(attempt)

    def _denied(self, reason: str, line: Line) -> None:
        extra: Line = {"left_out": self._left_out} if self._left_out else {}
        self._left_out = 0
        self._add({"event": "denied", "policy": DENIALS[reason], **line, **extra})

    def _may_add(self) -> bool:
        """Whether there is room in this second; the next line says how many had none."""
        second = int(self._now())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > LINES_MOST:
            self._left_out += 1
        return self._lines <= LINES_MOST
