"""A UDP session as an exchange: balanced, limited and counted as one request that lasts as long as the session."""

from nodeproxy.exchange.body import WholeBody
from nodeproxy.exchange.connection import CONNECTION
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.scope import Scope

_NO_BODY = WholeBody(b"")


def of_session(client: str, scope: Scope, started: float) -> Exchange:
    """The exchange of a session of a client with this address, whose first datagram came at `started`.

    No task works for it, so the bounds of `scope` have no effect; see `downstream.udp_session`.
    """
    return Exchange(CONNECTION, _NO_BODY, client, scope, started)
