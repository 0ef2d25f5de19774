"""Bodies that are received from a channel, and the framing of bodies that are sent."""

from collections.abc import Callable

from nodeproxy.errors import BadRequest, BadResponse
from nodeproxy.io.byte_channel import Channel
from nodeproxy.protocol.fields import without
from nodeproxy.protocol.http1.framing import BrokenBody, Decoder, chunk, last_chunk

# Pieces read before other tasks run. It bounds work, not bytes: a piece costs at most one read of 64 KiB and
# `framing.STEPS_MOST` of decoding; four large ones take about 100 us.
SHARE_PIECES = 4


class WholeBody:
    """A body that is complete in memory; also the empty body."""

    __slots__ = ("_data", "_given", "length", "streamed", "trailers")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._given = False
        self.streamed = False
        self.length = len(data)
        self.trailers = b""

    async def read(self) -> bytes:
        """See `message.Body`."""
        return self.take()

    def take(self) -> bytes:
        """The whole body at the first call, b"" afterwards."""
        if self._given:
            return b""
        self._given = True
        return self._data

    def rewind(self) -> bool:
        """See `message.Body`."""
        self._given = False
        return True

    def copy(self) -> "WholeBody":
        """The same bytes, for a second reader."""
        body = WholeBody(self._data)
        body.trailers = self.trailers
        return body


class ReceivedBody:
    """A body that is read from a channel while it arrives.

    `when_over(body, complete)` is called once, at its end or when it is abandoned.
    """

    __slots__ = ("_channel", "_decoder", "_pending", "_when_over", "length", "nominated", "streamed", "trailers")

    def __init__(
        self,
        channel: Channel,
        length: int,
        decoder: Decoder,
        received: bytes,
        when_over: Callable[["ReceivedBody", bool], None],
    ) -> None:
        self.length = length
        self.streamed = True
        self.trailers = b""
        self.nominated: tuple[bytes, ...] = ()
        """Names of hop-by-hop trailers, in lower case."""
        self._channel = channel
        self._decoder = decoder
        self._pending = received
        self._when_over: Callable[[ReceivedBody, bool], None] | None = when_over

    @property
    def surplus(self) -> bytes:
        """Bytes received beyond its end."""
        return self._decoder.surplus

    @property
    def complete(self) -> bool:
        """Whether its end has been received and read."""
        return self._decoder.done and self._when_over is None

    def cut_off(self, unread: bytes) -> bool:
        """Whether a part of it is missing where nothing follows `unread`, which its channel has received."""
        return not self._decoder.done and not self._decoder.completed_by(self._pending + unread)

    async def read(self) -> bytes:
        """See `message.Body`."""
        while not self._decoder.done:
            data = self._pending
            if self._decoder.waiting or data:
                self._pending = b""
                piece = self._feed(data)
            else:
                data = await self._channel.recv()
                piece = self._feed(data) if data else self._end()
            if piece:
                return piece
        trailers = self._decoder.trailers
        self.trailers = without(trailers, self.nominated) if self.nominated else trailers
        self._over(True)
        return b""

    def rewind(self) -> bool:
        """See `message.Body`; bytes read from the channel are not retained."""
        return False

    def abandon(self) -> None:
        """See `message.StreamedBody`."""
        self._over(False)

    def _feed(self, data: bytes) -> bytes:
        try:
            return self._decoder.feed(data)
        except BrokenBody as error:
            sender_is_client = self._channel.broken.fault == "client"
            raise (BadRequest if sender_is_client else BadResponse)(f"body: {error}") from error

    def _end(self) -> bytes:
        """Handle the end of the channel: a body that is cut off is a lost connection, not a malformed message."""
        try:
            self._decoder.end()
        except BrokenBody as error:
            raise self._channel.broken(f"body: {error}") from error
        return b""

    def _over(self, complete: bool) -> None:
        when_over, self._when_over = self._when_over, None
        if when_over is not None:
            when_over(self, complete)


def in_chunks(body: WholeBody) -> bytes:
    """A complete body as HTTP/1 sends it where Content-Length is unknown: as HTTP/2 may receive it."""
    data = body.take()
    return (chunk(data) if data else b"") + last_chunk(body.trailers)


def framed(piece: bytes, chunked: bool) -> bytes:
    """A piece of a body as HTTP/1 sends it."""
    return chunk(piece) if chunked else piece


def ending(trailers: bytes, chunked: bool) -> bytes:
    """The bytes sent after the last piece."""
    return last_chunk(trailers) if chunked else b""
