"""The observer of an exchange whose service has a policy `accessLog`: in front of the observer it had before."""

from typing import Protocol

from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.connection import Ended
from nodeproxy.exchange.exchange import Exchange, Observer


class Log(Protocol):
    """Writes the line of what has ended, or does not, as the policy says."""

    def ended(self, exchange: Exchange, service_port: str, status: int, reason: str, elapsed_s: float) -> None: ...

    def connection_ended(self, connection: Exchange, service_port: str, ended: Ended) -> None: ...


class Logged:
    """Made for each exchange of a service with the policy; all others have none."""

    __slots__ = ("_before", "_log")

    def __init__(self, log: Log, before: Observer | None) -> None:
        self._log = log
        self._before = before

    def exchange_ended(self, exchange: Exchange, service_port: str, status: int, reason: str, elapsed_s: float) -> None:
        """See Observer."""
        self._log.ended(exchange, service_port, status, reason, elapsed_s)
        if self._before is not None:
            self._before.exchange_ended(exchange, service_port, status, reason, elapsed_s)

    def connection_ended(self, connection: Exchange, service_port: str, ended: Ended) -> None:
        """See Observer."""
        self._log.connection_ended(connection, service_port, ended)
        if self._before is not None:
            self._before.connection_ended(connection, service_port, ended)

    def attempt_ended(self, attempt: Attempt) -> None:
        """See Observer. Attempts have no line."""
        if self._before is not None:
            self._before.attempt_ended(attempt)
