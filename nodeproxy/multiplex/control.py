"""Control frames of an HTTP/2 connection: SETTINGS, PING, RST_STREAM, GOAWAY. Source: RFC 9113, 6.4, 6.5, 6.7 and 6.8.

What the peer may make us send, or do, by them is bounded here and in `limits.Floods`.
"""

from typing import Protocol

from nodeproxy.io.outbox import Outbox
from nodeproxy.multiplex.side import Side
from nodeproxy.multiplex.stream import Stream
from nodeproxy.protocol.http2 import codes
from nodeproxy.protocol.http2.errors import ConnectionBroken, StreamError
from nodeproxy.protocol.http2.frames import Frame, parse_settings, ping, settings_ack
from nodeproxy.protocol.http2.hpack.encoder import NO_TABLE
from nodeproxy.protocol.http2.limits import ANSWERS_BYTES, SETTINGS_BYTES, Floods


class Connection(Protocol):
    """The connection, as far as its control frames concern it; see `link.Link`."""

    streams: dict[int, Stream]
    outbox: Outbox
    floods: Floods
    initial_window: int
    peer_streams: int
    peer_connects: bool
    prefix: bytes

    def refuse(self, number: int, code: int) -> None: ...

    def fault(self, stream: Stream, error: StreamError) -> None: ...


class Control:
    """Handles the control frames of one connection."""

    __slots__ = ("_answers_bytes", "_connection", "_side")

    def __init__(self, connection: Connection, side: Side) -> None:
        self._connection = connection
        self._side = side
        self._answers_bytes = 0  # since the peer has last read everything

    def take(self, frame: Frame) -> None:
        """Do what a frame says; any but HEADERS, DATA and WINDOW_UPDATE.

        Raises:
            ConnectionBroken: it violates the protocol, or there are too many.
        """
        kind, payload = frame.kind, frame.payload
        if not isinstance(payload, bytes):
            self._broken_priority(frame.stream)
        elif kind == codes.SETTINGS:
            if not frame.flags & codes.ACK:
                self._connection.floods.received_bytes += SETTINGS_BYTES
                self._apply(parse_settings(payload))
                self._side.settings_changed()
                self.answer(settings_ack())
        elif kind == codes.PING:
            if frame.flags & codes.ACK:
                self._side.answered(payload)
            else:
                self.answer(ping(payload, ack=True))
        elif kind == codes.RST_STREAM:
            self._reset(frame.stream, int.from_bytes(payload, "big"))
        elif kind == codes.GOAWAY:
            last_stream = int.from_bytes(payload[:4], "big") & codes.MAX_WINDOW
            self._side.going_away(last_stream, int.from_bytes(payload[4:8], "big"), payload[8:])

    def answer(self, frame: bytes) -> None:
        """Send what a frame of the peer demands. Source: CVE-2019-9512, 9515.

        Raises:
            ConnectionBroken: the peer does not read them.
        """
        outbox = self._connection.outbox
        if not outbox.size:
            self._answers_bytes = 0
        self._answers_bytes += len(frame)
        if self._answers_bytes > ANSWERS_BYTES:
            raise ConnectionBroken(codes.ENHANCE_YOUR_CALM, "frames are sent and their answers not read")
        outbox.put(frame)

    def _broken_priority(self, number: int) -> None:
        stream = self._connection.streams.get(number)
        if stream is None:
            self._connection.refuse(number, codes.PROTOCOL_ERROR)
        elif not stream.closed:
            error = StreamError(codes.PROTOCOL_ERROR, "a stream that depends on itself")
            self._connection.fault(stream, error)

    def _reset(self, number: int, code: int) -> None:
        stream = self._connection.streams.get(number)
        if stream is not None:
            stream.closed = stream.reset_by_peer = True
            self._side.was_reset(stream, code)
        elif self._side.never_opened(number):
            raise ConnectionBroken(codes.PROTOCOL_ERROR, f"RST_STREAM of stream {number}, which was never opened")

    def _apply(self, theirs: list[tuple[int, int]]) -> None:
        connection = self._connection
        for name, value in dict(theirs).items():  # the last of each is in force
            if name == codes.INITIAL_WINDOW_SIZE:
                self._change_windows(value)
            elif name == codes.MAX_CONCURRENT_STREAMS:
                connection.peer_streams = value
            elif name == codes.HEADER_TABLE_SIZE:
                # RFC 9113, 4.3.1: a smaller table has to be acknowledged in the next block. Ours is never used.
                connection.prefix = NO_TABLE
            elif name == codes.ENABLE_PUSH and value and not self._side.serves:
                raise ConnectionBroken(codes.PROTOCOL_ERROR, "a server that would have responses pushed to it")
            elif name == codes.ENABLE_CONNECT_PROTOCOL:
                connection.peer_connects = bool(value)

    def _change_windows(self, value: int) -> None:
        """RFC 9113, 6.9.2: the windows of open streams change by the difference, and may fall below 0."""
        connection = self._connection
        change, connection.initial_window = value - connection.initial_window, value
        for stream in connection.streams.values():
            stream.send_window += change
            if stream.send_window > codes.MAX_WINDOW:
                raise ConnectionBroken(codes.FLOW_CONTROL_ERROR, "a window of more than 2^31-1 bytes")
            stream.wake_writer()
