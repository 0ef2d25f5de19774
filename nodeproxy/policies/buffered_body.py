"""A streamed request body that can be sent again as long as it is small."""

from nodeproxy.protocol.message import Body

KEPT_BYTES = 64 * 1024  # of a request body, buffered for the next try; as Linkerd


class BufferedBody:
    """A streamed body that buffers its first KEPT_BYTES, so that it can be sent again."""

    __slots__ = ("_at", "_body", "_buffered", "_size", "length", "streamed", "trailers")

    def __init__(self, body: Body) -> None:
        self.length = body.length
        self.streamed = True
        self.trailers = b""
        self._body = body
        self._buffered: list[bytes] | None = []
        self._size = 0
        self._at = 0

    async def read(self) -> bytes:
        """See Body."""
        buffered = self._buffered
        if buffered is not None and self._at < len(buffered):
            self._at += 1
            return buffered[self._at - 1]
        piece = await self._body.read()
        self.trailers = self._body.trailers
        self._size += len(piece)
        if self._size > KEPT_BYTES:
            self._buffered = None
        elif self._buffered is not None and piece:
            self._buffered.append(piece)
            self._at += 1
        return piece

    def rewind(self) -> bool:
        """See Body."""
        self._at = 0
        return self._buffered is not None
