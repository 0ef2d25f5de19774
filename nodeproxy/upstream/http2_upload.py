"""Where the body of a request goes on a stream to an endpoint."""

from nodeproxy.multiplex.stream import Stream


class StreamSink:
    """See `upload.Sink`."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def send(self, piece: bytes) -> None:
        """See `upload.Sink`."""
        if not self._stream.try_write(piece, False):
            await self._stream.write(piece, False)

    async def finish(self, trailers: bytes) -> None:
        """See `upload.Sink`."""
        self._stream.finish(trailers)

    def abort(self) -> None:
        """See `upload.Sink`."""
        self._stream.reset()
