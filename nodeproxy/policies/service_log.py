"""The handler of `accessLog`: which exchanges of a service port have a line."""

from collections.abc import Callable
from dataclasses import dataclass

from nodeproxy.exchange.access_log import Line, connection_line, line_of
from nodeproxy.exchange.connection import Ended
from nodeproxy.exchange.exchange import Exchange, Tools
from nodeproxy.exchange.logged import Logged
from nodeproxy.protocol.message import Response


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which exchanges have a line, and how it looks."""

    format: str
    sample: float
    """The share of those that fulfil a condition."""
    of_status: Callable[[int], bool] | None
    slower_than_s: float | None


class ServiceLog:
    """Decides about the lines of one service port, and passes on their fields."""

    __slots__ = ("_decisions", "_filter", "_format", "_random", "_sample", "_slower_s", "_write")

    def __init__(self, chosen: Chosen, tools: Tools) -> None:
        self._format = chosen.format
        self._sample = chosen.sample
        self._filter = chosen.of_status
        self._slower_s = chosen.slower_than_s
        self._random = tools.random
        self._decisions = tools.decisions
        self._write = tools.log_line

    def ended(self, exchange: Exchange, service_port: str, status: int, reason: str, elapsed_s: float) -> None:
        """See Log."""
        if self._chosen(self._filter is not None and self._filter(status), elapsed_s):
            self._add(line_of(exchange, service_port, status, reason, elapsed_s))

    def connection_ended(self, connection: Exchange, service_port: str, ended: Ended) -> None:
        """See Log."""
        if self._chosen(self._filter is not None and bool(ended.reason), ended.elapsed_s):
            self._add(connection_line(connection, service_port, ended))

    def _chosen(self, by_status: bool, elapsed_s: float) -> bool:
        if self._format == "off":
            return False
        asks = self._filter is not None or self._slower_s is not None
        if asks and not by_status and (self._slower_s is None or elapsed_s <= self._slower_s):
            self._decisions.count("filtered")
            return False
        if self._sample < 1.0 and self._random() >= self._sample:
            self._decisions.count("not-sampled")
            return False
        self._decisions.count("logged")
        return not self._decisions.shadow

    def _add(self, line: Line) -> None:
        if self._write is not None:
            self._write(line, self._format)


def observed(exchange: Exchange, log: ServiceLog) -> Response | None:
    """Lets `log` see the end of the exchange; it refuses nothing."""
    exchange.observer = Logged(log, exchange.observer)
    return None
