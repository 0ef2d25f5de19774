"""A connection whose endpoint has switched to another protocol by 101: from here on it carries bytes, not messages.

Accepted only where the client offered that protocol itself. The connection never returns to its pool.
"""

from nodeproxy.errors import BadResponse
from nodeproxy.protocol.http2.request_in import VERSION
from nodeproxy.protocol.message import Request, Response
from nodeproxy.protocol.websocket import check_accept
from nodeproxy.upstream.http1_upload import Carrier


class SwitchedConnection:
    """See `message.Tunnel`."""

    __slots__ = ("_connection", "broken", "channel", "received")

    def __init__(self, connection: Carrier, received: bytes) -> None:
        self.received = received
        self._connection = connection
        self.channel = connection.channel
        """What carries it, for a relay between sockets."""
        self.broken = self.channel.broken
        self.channel.probe_when_silent()

    async def recv(self) -> bytes:
        """See `io.byte_channel.Channel`."""
        return await self.channel.recv()

    async def send(self, data: bytes) -> None:
        """See `io.byte_channel.Channel`."""
        await self.channel.send(data)

    def half_close(self) -> None:
        """See `io.byte_channel.Channel`."""
        self.channel.half_close()

    def close(self) -> None:
        """See `io.byte_channel.Channel`."""
        self._connection.close()


def check_switch(request: Request, response: Response) -> None:
    """Check that the 101 `response` names nothing but protocols that `request` offers.

    Raises:
        BadResponse: it does not, or does not answer the mesh's own key; the connection must not be used any more.

    Source: RFC 9110, 7.8.
    """
    offered = request.upgrade.lower().split(b", ")
    for protocol in response.upgrade.lower().split(b", "):
        if not protocol or protocol not in offered:
            raise BadResponse("101 to a protocol that the client has not offered")
    if request.version == VERSION:
        check_accept(request, response)
