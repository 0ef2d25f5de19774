"""Where the body of a request goes on a stream to an endpoint, also while the response is read."""

from nodeproxy.multiplex.body import StreamBody
from nodeproxy.multiplex.stream import Stream
from nodeproxy.upstream.upload import Upload


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


class UploadingBody(StreamBody):
    """The body of a response whose request may still be being sent."""

    __slots__ = ("_upload",)

    def __init__(self, stream: Stream, length: int, upload: Upload) -> None:
        super().__init__(stream, length)
        self._upload = upload

    def abandon(self) -> None:
        """See `message.StreamedBody`."""
        self._upload.stop()
        super().abandon()
