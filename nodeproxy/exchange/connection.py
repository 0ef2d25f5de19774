"""A TCP connection as an exchange: balanced, limited and counted as one request whose response is a tunnel."""

from nodeproxy.exchange.body import WholeBody
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.scope import Scope
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Request

CONNECTION = Request(b"CONNECT", b"", b"*", Fields())
"""What is asked by a connection that carries no HTTP. It has no field and no version; nothing may change it."""
CONNECTION.version = b""


def of_connection(client: str, scope: Scope, started: float) -> Exchange:
    """The exchange of the connection of a client with this address, accepted at `started`, monotonic seconds."""
    return Exchange(CONNECTION, WholeBody(b""), client, scope, started)
