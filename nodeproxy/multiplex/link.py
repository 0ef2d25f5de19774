"""An HTTP/2 connection as far as both of its sides are alike: frames, settings, windows, and the streams that are open.

Reads frames in one task and hands each to its stream. Heads, GOAWAY and resets it hands to its side, `downstream/http2`
or `upstream/http2`. Source: RFC 9113.
"""

from itertools import islice
from typing import Protocol

from nodeproxy.errors import ProxyError
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.outbox import Outbox
from nodeproxy.multiplex.stream import Stream
from nodeproxy.protocol.http2 import codes
from nodeproxy.protocol.http2.errors import ConnectionBroken, StreamError
from nodeproxy.protocol.http2.frames import (
    Frame,
    goaway,
    parse_settings,
    ping,
    rst_stream,
    settings,
    settings_ack,
    window_update,
)
from nodeproxy.protocol.http2.hpack.encoder import NO_TABLE
from nodeproxy.protocol.http2.limits import (
    ANSWERS_BYTES,
    CONNECTION_WINDOW_BYTES,
    MESSAGE_BYTES,
    UNSENT_BYTES,
    Floods,
    Http2Limits,
)
from nodeproxy.protocol.http2.reader import FrameReader

READS_IN_A_ROW = 4  # before other tasks run, up to 64 KiB each; as for bodies
FORGOTTEN_MOST = 128  # streams that were reset here lately: what the peer had sent before it noticed is ignored


class Side(Protocol):
    """The side that a link belongs to."""

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


class Link:
    """One HTTP/2 connection. See `stream.Carrier` for what its streams use."""

    __slots__ = (
        "_answers_bytes", "_begun", "_channel", "_credit", "_initial_window", "_lately", "_limits", "_reader", "_room",
        "_side", "floods", "outbox", "peer_connects", "peer_streams", "prefix", "reactor", "send_window", "starved",
        "streams",
    )  # fmt: skip

    def __init__(
        self, channel: SocketChannel, reader: FrameReader, limits: Http2Limits, side: Side, share: object = None
    ) -> None:
        self.streams: dict[int, Stream] = {}
        self.outbox = Outbox(channel, share)
        self.reactor = channel.reactor
        self.send_window = codes.DEFAULT_WINDOW
        self.starved: dict[Stream, None] = {}
        """See `stream.Carrier`."""
        self.floods = Floods(limits)
        self.peer_streams = 100
        """How many streams the peer allows us to open; RFC 9113, 6.5.2 advises a minimum, and it may say so late."""
        self.peer_connects = False
        """Whether the peer understands extended CONNECT (RFC 8441)."""
        self.prefix = b""
        """What the next header block begins with."""
        self._channel = channel
        self._reader = reader
        self._limits = limits
        self._side = side
        self._begun = False  # whether the peer's SETTINGS have come
        self._initial_window = codes.DEFAULT_WINDOW  # of what we send on a new stream
        self._room = CONNECTION_WINDOW_BYTES  # how much the peer may send
        self._credit = 0  # bytes received that have not been returned to the peer's window
        self._lately: dict[int, None] = {}
        self._answers_bytes = 0  # of answers to control frames, since the peer has last read everything

    @property
    def crowded(self) -> bool:
        """See `stream.Carrier`."""
        return len(self.streams) > 1

    def begin(self, own: list[tuple[int, int]], preface: bytes = b"") -> None:
        """Send the preface and these settings, with which a connection begins."""
        own = [(codes.INITIAL_WINDOW_SIZE, self._limits.window_bytes), *own]
        self.outbox.put(preface + settings(own) + window_update(0, CONNECTION_WINDOW_BYTES - codes.DEFAULT_WINDOW))

    async def run(self, received: bytes = b"") -> None:
        """Read frames, beginning with the bytes already `received`, until the peer ends the connection.

        Raises:
            ConnectionBroken: the peer violates the protocol; `end` has to be called.
            ProxyError: the channel is broken; the class identifies the side.
        """
        channel, reads = self._channel, 0
        recv = channel.recv
        data = received or await recv()
        while data:
            self._take(data)
            if channel.closed:
                return
            if self.outbox.size > UNSENT_BYTES:
                await self.outbox.emptied()  # who does not read is not read
            reads += 1
            if reads >= READS_IN_A_ROW:
                reads = 0
                await self.reactor.rest()
            data = await recv()

    def open(self, number: int, window: int = 0) -> Stream:
        """Add a stream with this number."""
        stream = self.streams[number] = Stream(
            self, number, self._initial_window, window or self._limits.window_bytes, self.reactor.now
        )
        self.floods.opened()
        return stream

    def forget(self, stream: Stream) -> None:
        """See `stream.Carrier`. Idempotent."""
        if self.streams.pop(stream.number, None) is None:
            return
        self.fed(stream)
        if not stream.ended and not stream.reset_by_peer:
            self._note_reset(stream.number)
        self._side.stream_over(stream)

    def fed(self, stream: Stream) -> None:
        """A stream waits for the connection's window no more: the next one may have what is left of it."""
        starved = self.starved
        if stream in starved:
            del starved[stream]
            if self.send_window > 0:
                self._feed(1)

    def _feed(self, most: int) -> None:
        for stream in list(islice(self.starved, most)):
            _wake(stream)

    def count_sent(self, size: int) -> None:
        """See `stream.Carrier`."""
        self.send_window -= size
        self.floods.messages_bytes += size

    def refuse(self, number: int, code: int) -> None:
        """Reset a stream that is not open here, because of what has come on it."""
        self._note_reset(number)
        self._answer(rst_stream(number, code))
        self.count_reset(0.0)

    def _answer(self, frame: bytes) -> None:
        """Send what a frame of the peer demands. Source: CVE-2019-9512, 9515."""
        if not self.outbox.size:
            self._answers_bytes = 0
        self._answers_bytes += len(frame)
        if self._answers_bytes > ANSWERS_BYTES:
            raise ConnectionBroken(codes.ENHANCE_YOUR_CALM, "frames are sent and their answers not read")
        self.outbox.put(frame)

    def count_reset(self, lasted_s: float) -> None:
        """A stream has been reset by a client, or here for an error of its peer, after so many seconds.

        Raises:
            ConnectionBroken: too many have been.
        """
        if self.floods.reset(lasted_s):
            raise ConnectionBroken(codes.ENHANCE_YOUR_CALM, "too many streams are reset as soon as they are opened")

    def going_away(self, last_stream: int, code: int = codes.NO_ERROR, text: str = "") -> None:
        """Tell the peer that no stream above `last_stream` is processed."""
        self.outbox.put(goaway(last_stream, code, text.encode()[:256]))

    def ping(self, opaque: bytes) -> None:
        """Send a PING with these eight bytes."""
        self.outbox.put(ping(opaque))

    def fail_all(self, error: ProxyError) -> None:
        """End all streams because of `error`."""
        for stream in tuple(self.streams.values()):
            stream.fail(error)

    def _note_reset(self, number: int) -> None:
        lately = self._lately
        lately[number] = None
        if len(lately) > FORGOTTEN_MOST:
            del lately[next(iter(lately))]

    def _take(self, data: bytes) -> None:
        floods = self.floods
        floods.received_bytes += len(data)
        for frame in self._reader.feed(data):
            kind = frame.kind
            if not self._begun:
                if kind != codes.SETTINGS or frame.flags & codes.ACK:
                    raise ConnectionBroken(codes.PROTOCOL_ERROR, "the first frame is not SETTINGS")
                self._begun = True
            if kind == codes.HEADERS:
                floods.messages_bytes += MESSAGE_BYTES + frame.size
                self._side.headers(frame)
            elif kind == codes.DATA:
                self._data(frame)
            elif kind == codes.WINDOW_UPDATE:
                self._window_update(frame)
            else:
                self._other(frame)
        if self._reader.broken is not None:
            raise self._reader.broken
        if floods.exceeded:
            raise ConnectionBroken(codes.ENHANCE_YOUR_CALM, "far more control frames than requests")

    def _data(self, frame: Frame) -> None:
        size, number, payload = frame.size, frame.stream, frame.payload
        assert isinstance(payload, bytes)  # as of every DATA frame
        self._room -= size
        if self._room < 0:
            raise ConnectionBroken(codes.FLOW_CONTROL_ERROR, "more data than the connection's window allows")
        self._credit += size
        # What is received counts to its stream: a reader that has stopped must not hold up the others.
        if 2 * self._credit >= CONNECTION_WINDOW_BYTES:
            self.outbox.put(window_update(0, self._credit))
            self._room += self._credit
            self._credit = 0
        self.floods.messages_bytes += len(payload)
        stream = self.streams.get(number)
        if stream is None or stream.ended or stream.closed:
            self._data_after_end(number, stream)
            return
        try:
            stream.received(payload, size, bool(frame.flags & codes.END_STREAM))
        except StreamError as error:
            self.fault(stream, error)

    def _data_after_end(self, number: int, stream: Stream | None) -> None:
        if stream is not None:
            if stream.reset_by_peer:
                self.refuse(number, codes.STREAM_CLOSED)
            elif not stream.closed:
                self.fault(stream, StreamError(codes.STREAM_CLOSED, "data after the end of the stream"))
        elif self._side.never_opened(number):
            raise ConnectionBroken(codes.PROTOCOL_ERROR, f"data on stream {number}, which was never opened")
        elif number not in self._lately and not self._side.ignores(number):
            self.refuse(number, codes.STREAM_CLOSED)

    def was_reset_lately(self, number: int) -> bool:
        """Whether this stream was ended here before its peer ended it, not long ago."""
        return number in self._lately

    def fault(self, stream: Stream, error: StreamError) -> None:
        """The peer has violated the protocol on this stream: reset it, and let its side know."""
        lasted_s = self.reactor.now - stream.began
        if not stream.closed:
            self.outbox.put(rst_stream(stream.number, error.code))
            stream.closed = True
        self._side.violated(stream, error)
        self.count_reset(lasted_s)

    def _window_update(self, frame: Frame) -> None:
        assert isinstance(frame.payload, bytes)
        increment, number = int.from_bytes(frame.payload, "big") & codes.MAX_WINDOW, frame.stream
        if not number:
            if not increment:
                raise ConnectionBroken(codes.PROTOCOL_ERROR, "WINDOW_UPDATE by nothing")
            self.send_window += increment
            if self.send_window > codes.MAX_WINDOW:
                raise ConnectionBroken(codes.FLOW_CONTROL_ERROR, "a window of more than 2^31-1 bytes")
            # Not all: a peer that returns its window by single bytes would wake every stream for each of them.
            self._feed(self.send_window // codes.FRAME_BYTES + 1 if self.send_window > 0 else 0)
            return
        stream = self.streams.get(number)
        if stream is None:
            if self._side.never_opened(number):
                raise ConnectionBroken(codes.PROTOCOL_ERROR, f"WINDOW_UPDATE for stream {number}, never opened")
            return
        if not increment:
            self.fault(stream, StreamError(codes.PROTOCOL_ERROR, "WINDOW_UPDATE by nothing"))
        elif stream.send_window + increment > codes.MAX_WINDOW:
            self.fault(stream, StreamError(codes.FLOW_CONTROL_ERROR, "a window of more than 2^31-1 bytes"))
        else:
            stream.send_window += increment
            _wake(stream)

    def _other(self, frame: Frame) -> None:
        kind, payload = frame.kind, frame.payload
        if not isinstance(payload, bytes):
            self._broken_priority(frame.stream)
        elif kind == codes.SETTINGS:
            if not frame.flags & codes.ACK:
                self._apply(parse_settings(payload))
                self._side.settings_changed()
                self._answer(settings_ack())
        elif kind == codes.PING:
            if frame.flags & codes.ACK:
                self._side.answered(payload)
            else:
                self._answer(ping(payload, ack=True))
        elif kind == codes.RST_STREAM:
            self._reset(frame.stream, int.from_bytes(payload, "big"))
        elif kind == codes.GOAWAY:
            last_stream = int.from_bytes(payload[:4], "big") & codes.MAX_WINDOW
            self._side.going_away(last_stream, int.from_bytes(payload[4:8], "big"), payload[8:])

    def _broken_priority(self, number: int) -> None:
        stream = self.streams.get(number)
        if stream is None:
            self.refuse(number, codes.PROTOCOL_ERROR)
        elif not stream.closed:
            self.fault(stream, StreamError(codes.PROTOCOL_ERROR, "a stream that depends on itself"))

    def _reset(self, number: int, code: int) -> None:
        stream = self.streams.get(number)
        if stream is not None:
            stream.closed = stream.reset_by_peer = True
            self._side.was_reset(stream, code)
        elif self._side.never_opened(number):
            raise ConnectionBroken(codes.PROTOCOL_ERROR, f"RST_STREAM of stream {number}, which was never opened")

    def _apply(self, theirs: list[tuple[int, int]]) -> None:
        for name, value in dict(theirs).items():  # the last of each is in force
            if name == codes.INITIAL_WINDOW_SIZE:
                change, self._initial_window = value - self._initial_window, value
                for stream in self.streams.values():
                    stream.send_window += change
                    if stream.send_window > codes.MAX_WINDOW:
                        raise ConnectionBroken(codes.FLOW_CONTROL_ERROR, "a window of more than 2^31-1 bytes")
                    _wake(stream)
            elif name == codes.MAX_CONCURRENT_STREAMS:
                self.peer_streams = value
            elif name == codes.HEADER_TABLE_SIZE:
                # RFC 9113, 4.3.1: a smaller table has to be acknowledged in the next block. Ours is never used.
                self.prefix = NO_TABLE
            elif name == codes.ENABLE_CONNECT_PROTOCOL:
                self.peer_connects = bool(value)


def _wake(stream: Stream) -> None:
    if stream.writer is not None:
        stream.writer.reactor.wake(stream.writer)
