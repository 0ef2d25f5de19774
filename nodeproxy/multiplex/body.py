"""Bodies of messages on a stream."""

from nodeproxy.exchange.body import WholeBody
from nodeproxy.multiplex.stream import Stream
from nodeproxy.protocol.message import UNKNOWN, Request


class StreamBody:
    """A body that is read from a stream while it arrives; see `message.StreamedBody`.

    Backpressure: what was not read stays in the stream's window, so its sender stops, and no other stream does.
    """

    __slots__ = ("_stream", "length", "streamed", "trailers")

    def __init__(self, stream: Stream, length: int) -> None:
        self.length = length
        self.streamed = True
        self.trailers = b""
        self._stream = stream

    async def read(self) -> bytes:
        """See `message.Body`."""
        stream = self._stream
        while True:
            if stream.pieces:
                return stream.take()
            if stream.ended:
                self.trailers = stream.trailers
                return b""
            await stream.wait()

    def rewind(self) -> bool:
        """See `message.Body`; bytes read from the stream are not retained."""
        return False

    def abandon(self) -> None:
        """See `message.StreamedBody`."""
        self._stream.release()


def body_of(stream: Stream, request: Request) -> WholeBody | StreamBody:
    """The body of `request` on `stream`; complete if its end has come already, so that it can be sent again.

    What follows an extended CONNECT is no body.
    """
    if not stream.ended:
        return WholeBody(b"") if request.upgrade else StreamBody(stream, request.length)
    body = WholeBody(stream.take())
    body.trailers = stream.trailers
    return body


def expect(stream: Stream, length: int) -> None:
    """The message on `stream` has a body of this length: more or less than that is an error of its sender."""
    if length != UNKNOWN:
        stream.expected = length
