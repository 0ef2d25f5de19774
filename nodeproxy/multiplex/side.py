"""The side that a connection belongs to, as far as what both sides share uses it."""

from typing import ClassVar, Protocol

from nodeproxy.multiplex.stream import Stream
from nodeproxy.protocol.http2.errors import StreamError
from nodeproxy.protocol.http2.frames import Frame


class Side(Protocol):
    """The side that a link belongs to."""

    serves: ClassVar[bool]
    """Whether it is the server of the connection."""

    def headers(self, frame: Frame) -> None:
        """A HEADERS frame has come, for whatever stream."""
        ...

    def was_reset(self, stream: Stream, code: int) -> None:
        """The peer has reset this stream."""
        ...

    def violated(self, stream: Stream, error: StreamError) -> None:
        """The peer has violated the protocol on this stream, which was reset."""
        ...

    def ignores(self, number: int) -> bool:
        """Whether the peer was told that what comes on this stream, which is not open, is ignored."""
        ...

    def going_away(self, last_stream: int, code: int, text: bytes) -> None:
        """The peer processes no stream above `last_stream`."""
        ...

    def never_opened(self, number: int) -> bool:
        """Whether neither side has opened the stream with this number."""
        ...

    def stream_over(self, stream: Stream) -> None:
        """This stream is not among those of the link any more."""
        ...

    def answered(self, opaque: bytes) -> None:
        """The PING with these bytes was answered."""
        ...

    def settings_changed(self) -> None:
        """SETTINGS of the peer are in force."""
        ...
