"""A streamed request body with a second reader, which gets it whole and never holds up the first."""

from nodeproxy.errors import ProxyError
from nodeproxy.exchange.body import WholeBody
from nodeproxy.io.event import Event
from nodeproxy.protocol.message import Body


class BodyCopy:
    """What has been read of a body so far, for the second reader: all of it up to a limit, or nothing.

    It does not refer to the body: the second reader may outlive the connection that the body comes from.
    """

    __slots__ = ("_event", "_limit_bytes", "_pieces", "_size", "_trailers", "lost")

    def __init__(self, limit_bytes: int, event: Event) -> None:
        """`event` is a new one."""
        self.lost = ""
        """Why there is nothing, as the outcome of a copy: the body is too large, or its sender has failed."""
        self._limit_bytes = limit_bytes
        self._event = event
        self._pieces: list[bytes] = []
        self._size = 0
        self._trailers = b""

    def add(self, piece: bytes) -> None:
        """The first reader has read `piece`."""
        if self._event.happened:
            return
        self._size += len(piece)
        if self._size > self._limit_bytes:
            self.lose("body-too-large")
        else:
            self._pieces.append(piece)

    def complete(self, trailers: bytes) -> None:
        """The first reader has read it to its end."""
        self._trailers = trailers
        self._event.set()

    def lose(self, why: str) -> None:
        """Drop what there is: the body will not be had whole."""
        if not self._event.happened:
            self._pieces, self.lost = [], why
            self._event.set()

    def restart(self) -> None:
        """The first reader begins anew. A body that was complete stays."""
        if not self._event.happened:
            self._pieces, self._size = [], 0

    async def whole(self) -> WholeBody | None:
        """The body once it is complete, for one of any number of second readers; None if it is `lost`."""
        await self._event.wait()
        if self.lost:
            return None
        if len(self._pieces) > 1:
            self._pieces = [b"".join(self._pieces)]
        body = WholeBody(self._pieces[0] if self._pieces else b"")
        body.trailers = self._trailers
        return body


class Tee:
    """Reads a body for its first reader, and notes in a `BodyCopy` what comes."""

    __slots__ = ("_body", "_kept", "length", "streamed", "trailers")

    def __init__(self, body: Body, kept: BodyCopy) -> None:
        self.length = body.length
        self.streamed = body.streamed
        self.trailers = b""
        self._body = body
        self._kept = kept

    async def read(self) -> bytes:
        """See Body."""
        try:
            piece = await self._body.read()
        except ProxyError:
            self._kept.lose("failed")
            raise
        if piece:
            self._kept.add(piece)
        else:
            self.trailers = self._body.trailers
            self._kept.complete(self.trailers)
        return piece

    def rewind(self) -> bool:
        """See Body."""
        if not self._body.rewind():
            return False
        self._kept.restart()
        return True
