"""A TCP connection or a UDP session as an exchange: balanced, limited and counted as one request.

The response to a connection is a tunnel. A session has none; it lasts as long as its exchange.
"""

from collections.abc import Callable
from dataclasses import dataclass

from nodeproxy.exchange.body import WholeBody
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.scope import Scope
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Request

Address = tuple[str, int]
CONNECTION = Request(b"CONNECT", b"", b"*", Fields())
"""What is asked by a connection that carries no HTTP. It has no field and no version; nothing may change it."""
CONNECTION.version = b""
_NO_BODY = WholeBody(b"")


class Connection(Exchange):
    """The exchange of one connection. What is `added` to it goes to the endpoint before the client's bytes."""

    __slots__ = ("addresses",)

    def __init__(
        self, client: str, addresses: Callable[[], tuple[Address, Address]], scope: Scope, started: float
    ) -> None:
        """Of the client with this address, whose connection was accepted at `started`, monotonic seconds."""
        super().__init__(CONNECTION, _NO_BODY, client, scope, started)
        self.addresses = addresses
        """Address and port of the client, and those that it has connected to. Raises ClientGone."""


def of_session(client: str, scope: Scope, started: float) -> Exchange:
    """The exchange of a UDP session of a client with this address, whose first datagram came at `started`.

    No task works for it, so the bounds of `scope` have no effect; see `downstream.udp_session`.
    """
    return Exchange(CONNECTION, _NO_BODY, client, scope, started)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a TCP connection or a UDP session has ended, for the access log."""

    protocol: str
    """`tcp`, `tls` where its port says so, or `udp`."""
    reason: str
    """"" where both sides had ended theirs, else as `errors.ProxyError.reason`."""
    to_endpoint: int
    """Bytes."""
    to_client: int
    elapsed_s: float
    """Since it was accepted."""
    datagrams: tuple[int, int] | None = None
    """To the endpoint and to the client; None for TCP."""
