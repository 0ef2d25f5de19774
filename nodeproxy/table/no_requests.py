"""The handler of a service port that takes no HTTP: for clients that came while it did, or might have."""

from nodeproxy.errors import UnknownService
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.protocol.message import Response


async def no_requests(_exchange: Exchange) -> Response:
    """See `exchange.exchange.Handler`.

    Raises:
        UnknownService: always. No endpoint has been connected to.
    """
    raise UnknownService(
        "this port takes no HTTP any more, and passes on the bytes of new connections as they are;"
        " `nodeproxy explain` shows what has decided that"
    )
