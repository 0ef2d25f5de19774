"""Bodies as they come out of a channel, and as they go into one."""

from collections.abc import Callable

from nodeproxy.errors import BadRequest, BadResponse, ProxyError
from nodeproxy.net.channel import Channel
from nodeproxy.protocol.framing import BrokenBody, chunk, decoder, last_chunk
from nodeproxy.protocol.head import RequestHead, ResponseHead, without


class WholeBody:
    """A body that is already here; also the empty one."""

    __slots__ = ("_data", "_given", "length", "streamed", "trailers")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._given = False
        self.streamed = False
        self.length = len(data)
        self.trailers = b""

    async def read(self) -> bytes:
        """See `policies.exchange.Body`."""
        return self.take()

    def take(self) -> bytes:
        """All of it, the first time."""
        if self._given:
            return b""
        self._given = True
        return self._data

    def rewind(self) -> bool:
        """See `policies.exchange.Body`."""
        self._given = False
        return True


class ReceivedBody:
    """A body that is pulled out of a channel as it arrives.

    `when_over(complete)` is called once, at its end or when it is given up.
    """

    __slots__ = ("_channel", "_decoder", "_nominated", "_pending", "_when_over", "length", "streamed", "trailers")

    def __init__(
        self,
        channel: Channel,
        head: RequestHead | ResponseHead,
        length: int,
        received: bytes,
        when_over: Callable[["ReceivedBody", bool], None],
    ) -> None:
        self.length = length
        self.streamed = True
        self.trailers = b""
        self._channel = channel
        self._nominated = head.nominated
        self._decoder = decoder(length, lenient=channel.broken.fault == "endpoint")
        self._pending = received
        self._when_over: Callable[[ReceivedBody, bool], None] | None = when_over

    @property
    def surplus(self) -> bytes:
        """What was received beyond its end."""
        return self._decoder.surplus

    @property
    def complete(self) -> bool:
        """Whether its end has been received and read."""
        return self._decoder.done and self._when_over is None

    async def read(self) -> bytes:
        """See `policies.exchange.Body`."""
        while not self._decoder.done:
            data = self._pending or await self._channel.recv()
            self._pending = b""
            piece = self._decode(data)
            if piece:
                return piece
        trailers = self._decoder.trailers
        self.trailers = without(trailers, self._nominated) if self._nominated else trailers
        self._over(True)
        return b""

    def rewind(self) -> bool:
        """See `policies.exchange.Body`; what has left the channel cannot be read again."""
        return False

    def abandon(self) -> None:
        """See `policies.exchange.StreamedBody`."""
        self._over(False)

    def _decode(self, data: bytes) -> bytes:
        try:
            if data:
                return self._decoder.feed(data)
            self._decoder.end()
        except BrokenBody as error:
            raise self._error(data)(f"body: {error}") from error
        return b""

    def _error(self, data: bytes) -> type[ProxyError]:
        """A body that ends too early is a lost connection; one that is malformed is its sender's mistake."""
        lost = self._channel.broken
        if not data:
            return lost
        return BadRequest if lost.fault == "client" else BadResponse

    def _over(self, complete: bool) -> None:
        when_over, self._when_over = self._when_over, None
        if when_over is not None:
            when_over(self, complete)


def framed(piece: bytes, chunked: bool) -> bytes:
    """A piece of a body as it goes onward."""
    return chunk(piece) if chunked else piece


def ending(trailers: bytes, chunked: bool) -> bytes:
    """What comes behind the last piece."""
    return last_chunk(trailers) if chunked else b""
