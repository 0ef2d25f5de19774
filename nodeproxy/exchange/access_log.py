"""The access log as an observer of exchanges: one line at the end of each request, TCP connection and UDP session."""

import re
from collections.abc import Callable

from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.connection import Ended
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.exchange.logged import Logged

Line = dict[str, str | int | float]
_DATAGRAMS = "datagrams_to_endpoint", "datagrams_to_client"
_TRACEPARENT = re.compile(rb"traceparent: [0-9a-f]{2}-([0-9a-f]{32})-", re.IGNORECASE)  # W3C Trace Context, 3.2


class AccessLog:
    """Passes the fields of each line to `add`, except of services that have a policy `accessLog`."""

    def __init__(self, add: Callable[[Line], None]) -> None:
        self._add = add

    def exchange_ended(self, exchange: Exchange, service_port: str, status: int, reason: str, elapsed_s: float) -> None:
        """See Observer."""
        if not isinstance(exchange.observer, Logged):
            self._add(line_of(exchange, service_port, status, reason, elapsed_s))

    def connection_ended(self, connection: Exchange, service_port: str, ended: Ended) -> None:
        """See Observer."""
        if not isinstance(connection.observer, Logged):
            self._add(connection_line(connection, service_port, ended))

    def attempt_ended(self, attempt: Attempt) -> None:
        """Attempts are not logged."""


def line_of(exchange: Exchange, service_port: str, status: int, reason: str, elapsed_s: float) -> Line:
    """The fields of an exchange that has ended; those at the end are there only where they say something."""
    request = exchange.request
    return {
        "client": exchange.client,
        "source": "/".join(exchange.caller.labels),
        "method": request.method.decode("latin-1"),
        "host": request.authority.decode("latin-1"),
        "target": request.path.decode("latin-1"),
        "version": request.version.decode("latin-1"),
        "service": service_port,
        "endpoint": exchange.endpoint_name,
        "status": status,
        "reason": reason,
        "tries": exchange.tries,
        "seconds": round(elapsed_s, 6),
        "bytes": exchange.sent_bytes,
        **_seldom(exchange),
    }


def _seldom(exchange: Exchange) -> Line:
    line: Line = {"shadow": ",".join(exchange.shadowed)} if exchange.shadowed else {}
    if exchange.request.length > 0:
        line["request_bytes"] = exchange.request.length
    if exchange.rule:
        line["rule"] = exchange.rule
    if exchange.call is not None:
        line["grpc_status"] = exchange.call.status
    if exchange.not_retried:
        line["not_retried"] = exchange.not_retried
    if trace := trace_id(exchange):
        line["trace_id"] = trace
    return line


def trace_id(exchange: Exchange) -> str:
    """The trace that the endpoint got, "" for none: the client's own, or the one that the mesh has begun."""
    found = _TRACEPARENT.search(exchange.added)
    if found is None and (received := exchange.request.fields.get(b"traceparent")):
        found = _TRACEPARENT.match(b"traceparent: " + received)
    return "" if found is None else found[1].decode("ascii")


def connection_line(connection: Exchange, service_port: str, ended: Ended) -> Line:
    """The fields of a TCP connection or UDP session that has ended."""
    datagrams = ended.datagrams
    return {
        "protocol": ended.protocol,
        "client": connection.client,
        "source": "/".join(connection.caller.labels),
        "service": service_port,
        "endpoint": connection.endpoint_name,
        "to_endpoint": ended.to_endpoint,
        "to_client": ended.to_client,
        **({} if datagrams is None else dict(zip(_DATAGRAMS, datagrams, strict=True))),
        "reason": ended.reason,
        "tries": connection.tries,
        "seconds": round(ended.elapsed_s, 6),
        **({"shadow": ",".join(connection.shadowed)} if connection.shadowed else {}),
    }
