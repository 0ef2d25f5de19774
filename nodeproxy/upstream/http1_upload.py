"""Where the body of a request goes on an HTTP/1.1 connection to an endpoint."""

from typing import Protocol

from nodeproxy.exchange.body import ending, framed
from nodeproxy.io.channel import SocketChannel


class Carrier(Protocol):
    """The connection that a body is sent on."""

    channel: SocketChannel

    def close(self) -> None: ...


class ChannelSink:
    """See `upload.Sink`."""

    __slots__ = ("_chunked", "_connection")

    def __init__(self, connection: Carrier, chunked: bool) -> None:
        self._connection = connection
        self._chunked = chunked

    async def send(self, piece: bytes) -> None:
        """See `upload.Sink`."""
        await self._connection.channel.send(framed(piece, self._chunked))

    async def finish(self, trailers: bytes) -> None:
        """See `upload.Sink`."""
        if self._chunked:
            await self._connection.channel.send(ending(trailers, self._chunked))

    def abort(self) -> None:
        """See `upload.Sink`."""
        self._connection.close()
