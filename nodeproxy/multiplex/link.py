"""An HTTP/2 connection as far as both of its sides are alike: frames, settings, windows, and the streams that are open.

Reads frames in one task and hands each to its stream. Heads, GOAWAY and resets it hands to its side, `downstream/http2`
or `upstream/http2`. Source: RFC 9113.
"""

from itertools import islice

from nodeproxy.errors import ProxyError
from nodeproxy.io.calls import park
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.outbox import Outbox
from nodeproxy.multiplex.control import Control
from nodeproxy.multiplex.side import Side
from nodeproxy.multiplex.stream import Stream
from nodeproxy.protocol.http2 import codes
from nodeproxy.protocol.http2.errors import ConnectionBroken, StreamError
from nodeproxy.protocol.http2.frames import (
    Frame,
    goaway,
    ping,
    rst_stream,
    settings,
    window_update,
)
from nodeproxy.protocol.http2.limits import (
    CONNECTION_WINDOW_BYTES,
    MESSAGE_BYTES,
    UNSENT_BYTES,
    Floods,
    Http2Limits,
)
from nodeproxy.protocol.http2.reader import FrameReader

READS_IN_A_ROW = 4  # before other tasks run, up to 64 KiB each; as for bodies
FORGOTTEN_MOST = 128  # streams that were reset here lately: what the peer had sent before it noticed is ignored


class Link:
    """One HTTP/2 connection. See `carrier.Carrier` for what its streams use."""

    __slots__ = (
        "_begun", "_channel", "_control", "_credit", "_lately", "_limits", "_reader", "_room", "_side", "floods",
        "initial_window", "outbox", "peer_connects", "peer_streams", "prefix", "reactor", "send_window", "starved",
        "streams",
    )  # fmt: skip
    __deletable__ = ("_control", "_side")  # for mypyc, see `let_go`

    def __init__(
        self, channel: SocketChannel, reader: FrameReader, limits: Http2Limits, side: Side, share: object = None
    ) -> None:
        self.streams: dict[int, Stream] = {}
        self.outbox = Outbox(channel, share)
        self.reactor = channel.reactor
        self.send_window = codes.DEFAULT_WINDOW
        self.starved: dict[Stream, None] = {}
        """See `carrier.Carrier`."""
        self.floods = Floods(limits, channel.reactor.now)
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
        self.initial_window = codes.DEFAULT_WINDOW
        """Of what we send on a new stream, in bytes."""
        self._room = CONNECTION_WINDOW_BYTES  # how much the peer may send
        self._credit = 0  # bytes received that have not been returned to the peer's window
        self._lately: dict[int, None] = {}
        self._control = Control(self, side)

    @property
    def crowded(self) -> bool:
        """See `carrier.Carrier`."""
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
            if channel.readable:
                reads += 1
                if reads >= READS_IN_A_ROW:
                    reads = 0
                    await self.reactor.rest()
            else:
                reads = 0  # others run meanwhile
                channel.reader = self.reactor.current
                await park()  # here, and not below: a wait within two coroutines costs more
            data = await recv()

    def open(self, number: int, window: int = 0) -> Stream:
        """Add a stream with this number."""
        stream = self.streams[number] = Stream(
            self, number, self.initial_window, window or self._limits.window_bytes, self.reactor.now
        )
        self.floods.streams += 1
        return stream

    def let_go(self) -> None:
        """The connection is over, and so are its streams: hold its side no more, which holds this.

        A cycle would keep all that its peer has sent until the next collection, which is rare.
        """
        if not self.streams:
            del self._side, self._control

    def forget(self, stream: Stream) -> None:
        """See `carrier.Carrier`."""
        del self.streams[stream.number]
        if self.starved:
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
            stream.wake_writer()

    def refuse(self, number: int, code: int) -> None:
        """Reset a stream that is not open here, because of what has come on it."""
        self._note_reset(number)
        self._control.answer(rst_stream(number, code))
        self.count_reset(0.0)

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

    def probe_when_silent(self) -> None:
        """See `io.channel.SocketChannel`."""
        self._channel.probe_when_silent()

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
                self._control.take(frame)
        if self._reader.broken is not None:
            raise self._reader.broken
        if floods.exceeded and floods.exceeded_at(self.reactor.now):
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
            self._note_reset(stream.number)
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
            stream.wake_writer()
