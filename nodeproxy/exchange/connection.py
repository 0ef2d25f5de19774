"""A TCP connection as an exchange: balanced, limited and counted as one request whose response is a tunnel."""

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


class Connection(Exchange):
    """The exchange of one connection. What is `added` to it goes to the endpoint before the client's bytes."""

    __slots__ = ("addresses",)

    def __init__(
        self, client: str, addresses: Callable[[], tuple[Address, Address]], scope: Scope, started: float
    ) -> None:
        """Of the client with this address, whose connection was accepted at `started`, monotonic seconds."""
        super().__init__(CONNECTION, WholeBody(b""), client, scope, started)
        self.addresses = addresses
        """Address and port of the client, and those that it has connected to. Raises ClientGone."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a connection has ended, for the access log."""

    protocol: str
    """`tcp`, or `tls` where its port says so."""
    reason: str
    """"" where both sides had ended theirs, else as `errors.ProxyError.reason`."""
    to_endpoint: int
    """Bytes."""
    to_client: int
    elapsed_s: float
    """Since it was accepted."""
