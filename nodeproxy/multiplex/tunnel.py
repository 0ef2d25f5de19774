"""A stream that carries bytes in place of messages: DATA both ways, until each side has ended its own.

An orderly end is END_STREAM, everything else RST_STREAM. Backpressure is that of the windows. Source: RFC 8441, 5.
"""

from nodeproxy.errors import ProxyError
from nodeproxy.multiplex.body import StreamBody
from nodeproxy.multiplex.stream import Stream
from nodeproxy.protocol.http2.codes import PROTOCOL_ERROR
from nodeproxy.protocol.message import UNKNOWN


class StreamTunnel:
    """See `message.Tunnel` and `io.byte_channel.Channel`."""

    __slots__ = ("_body", "_lost", "_stream", "received")

    def __init__(self, stream: Stream, lost: type[ProxyError]) -> None:
        """`lost` is the error of a stream that its peer has ended without any."""
        self.received = b""  # what came early is read like the rest
        self._body = StreamBody(stream, UNKNOWN)
        self._stream = stream
        self._lost = lost

    @property
    def broken(self) -> type[ProxyError]:
        """See Channel. Never the class of what ends the task that sends, as a limit does."""
        error = self._stream.error
        return self._lost if error is None else type(error)

    async def recv(self) -> bytes:
        """See Channel."""
        piece = await self._body.read()
        if not piece and self._body.trailers:  # RFC 9113, 8.5: nothing but DATA
            self._stream.reset(PROTOCOL_ERROR)
            raise self._lost("reading: HEADERS in place of data")
        return piece

    async def send(self, data: bytes) -> None:
        """See Channel."""
        stream = self._stream
        if stream.try_write(data, False):
            return
        await stream.write(data, False)
        if stream.closed:
            raise self._lost("writing: the stream was reset")

    def half_close(self) -> None:
        """See Channel."""
        self._stream.half_close()

    def close(self) -> None:
        """See Channel."""
        self._stream.release()
