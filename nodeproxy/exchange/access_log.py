"""The access log as an observer of exchanges: one line at the end of each request, TCP connection and UDP session."""

from collections.abc import Callable

from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.connection import Ended
from nodeproxy.exchange.exchange import Exchange

_DATAGRAMS = "datagrams_to_endpoint", "datagrams_to_client"


class AccessLog:
    """Passes the fields of each line to `add`."""

    def __init__(self, add: Callable[[dict[str, str | int | float]], None]) -> None:
        self._add = add

    def exchange_ended(self, exchange: Exchange, service_port: str, status: int, reason: str, elapsed_s: float) -> None:
        """See Observer."""
        request = exchange.request
        seldom: dict[str, str | int] = {**_shadow(exchange)}
        if exchange.call is not None:
            seldom["grpc_status"] = exchange.call.status
        if exchange.rule:
            seldom["rule"] = exchange.rule
        if exchange.not_retried:
            seldom["not_retried"] = exchange.not_retried
        self._add(
            {
                "client": exchange.client,
                "source": "/".join(exchange.caller.labels),
                "method": request.method.decode("ascii"),
                "host": request.authority.decode("ascii"),
                "target": request.path.decode("ascii"),
                "service": service_port,
                "endpoint": exchange.endpoint_name,
                "status": status,
                "reason": reason,
                "tries": exchange.tries,
                "seconds": round(elapsed_s, 6),
                **seldom,
            }
        )

    def connection_ended(self, connection: Exchange, service_port: str, ended: Ended) -> None:
        """See Observer."""
        datagrams = ended.datagrams
        self._add(
            {
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
                **_shadow(connection),
            }
        )

    def attempt_ended(self, attempt: Attempt) -> None:
        """Attempts are not logged."""


def _shadow(exchange: Exchange) -> dict[str, str]:
    return {"shadow": ",".join(exchange.shadowed)} if exchange.shadowed else {}
