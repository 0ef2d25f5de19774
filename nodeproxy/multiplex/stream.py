"""One stream of an HTTP/2 connection: what has come on it and was not read, and what may be sent on it."""

from collections.abc import Coroutine
from copy import copy

from nodeproxy.errors import ProxyError
from nodeproxy.io.calls import park
from nodeproxy.io.task import Task
from nodeproxy.multiplex.carrier import Carrier
from nodeproxy.multiplex.slow_write import write
from nodeproxy.protocol.http2.codes import CANCEL, FLOW_CONTROL_ERROR, FRAME_BYTES, PROTOCOL_ERROR
from nodeproxy.protocol.http2.errors import StreamError
from nodeproxy.protocol.http2.frames import Trailers, data_header, rst_stream, window_update
from nodeproxy.protocol.http2.scan import trailers_headers
from nodeproxy.protocol.message import UNKNOWN, Response

PIECES_MOST = 64  # that were not read; more are joined: an object of 2 bytes takes 50, and a window has room for 32,768


class Stream:
    """A stream: two directions that end one by one, or both at once by a reset.

    `reader` and `writer` are the tasks that wait for something of it. Source: RFC 9113, 5.1.
    """

    __slots__ = (
        "_credit", "_link", "_listed", "_room", "_window", "awaits_head", "began", "begun", "bodiless", "closed",
        "ended", "error", "expected", "heads", "number", "over", "pieces", "reader", "reset_by_peer", "send_window",
        "task", "trailers", "writer",
    )  # fmt: skip

    def __init__(self, link: Carrier, number: int, send_window: int, window: int, began: float) -> None:
        """`window` and `send_window` are the initial ones of both directions, in bytes."""
        self.number = number
        self.began = began
        """When it was opened, monotonic seconds."""
        self.begun = False
        """Whether the head of a final response has been sent on it."""
        self.task: Task | None = None
        """The task that it is served by, once that has begun; None for a stream to an endpoint."""
        self.reset_by_peer = False
        """Whether the peer has ended it by RST_STREAM, after which it may send nothing more on it."""
        self.heads: list[Response] = []  # lists: an empty deque has 600 bytes
        """Heads of responses that were received and not read."""
        self.pieces: list[bytes] = []
        """Of the body, received and not read."""
        self.trailers = b""
        """Field lines received after the body."""
        self.expected = UNKNOWN
        """How many bytes of the body are still to come; UNKNOWN without a Content-Length."""
        self.bodiless = False
        """Whether what comes can have no body, whatever its fields say: the response to HEAD."""
        self.awaits_head = False
        """Whether a head must come before a body: until the final response of an endpoint."""
        self.ended = False
        """Whether the peer has ended its direction."""
        self.over = False
        """Whether ours has been ended."""
        self.closed = False
        """Whether nothing may be sent on it any more."""
        self.error: ProxyError | None = None
        """What has ended it before its time. See `failure` to raise it."""
        self.reader: Task | None = None
        self.writer: Task | None = None
        self.send_window = send_window
        self._link = link
        self._listed = True  # whether it is among the streams of its link
        self._window = window
        self._room = window  # how much the peer may send
        self._credit = 0  # bytes that were read and have not been returned to the peer's window

    # What comes.

    def received(self, piece: bytes, size: int, ended: bool) -> None:
        """A DATA frame with this data; `size` is that of its payload.

        Raises:
            StreamError: it exceeds the window, or the announced length; or there is no response that it is of.
        """
        self._room -= size
        if self.awaits_head:
            raise StreamError(PROTOCOL_ERROR, "data before a response")
        if self._room < 0:
            raise StreamError(FLOW_CONTROL_ERROR, "more data than the stream's window allows")
        if piece:
            if self.expected != UNKNOWN:
                self.expected -= len(piece)
                if self.expected < 0:
                    raise StreamError(PROTOCOL_ERROR, "more data than Content-Length says")  # RFC 9113, 8.1.1
            self.pieces.append(piece)
            if len(self.pieces) > PIECES_MOST:
                whole = b"".join(self.pieces)
                self.pieces.clear()
                self.pieces.append(whole)
        self._credit += size - len(piece)
        if ended:
            self.end()
            return
        if not piece:
            self._return_credit()
        elif self.reader is not None:
            self.reader.reactor.wake(self.reader)

    def received_trailers(self, trailers: Trailers) -> None:
        """The fields behind the body, with which its direction ends.

        Raises:
            StreamError: the body is incomplete.
        """
        self.trailers = trailers.lines
        self.end()

    def end(self) -> None:
        """The peer has ended its direction.

        Raises:
            StreamError: the body is incomplete.
        """
        if self.expected > 0:
            raise StreamError(PROTOCOL_ERROR, f"{self.expected} bytes short of its Content-Length")
        self.ended = True
        if self.reader is not None:
            self.reader.reactor.wake(self.reader)

    def fail(self, error: ProxyError) -> None:
        """End it because of `error`, which those that wait for it get; nothing is sent any more."""
        if self.error is None:
            self.error = error
        self.closed = True
        for task in (self.reader, self.writer):
            if task is not None:
                task.reactor.wake(task)

    def failure(self) -> ProxyError:
        """`error`, to be raised: a copy, because one that was raised holds the frames that hold this stream."""
        assert self.error is not None  # the caller has looked
        return copy(self.error)

    def wake_writer(self) -> None:
        """More may be sent than before."""
        if self.writer is not None:
            self.writer.reactor.wake(self.writer)

    async def wait(self) -> None:
        """Wait for something to come. May be spurious.

        Raises:
            ProxyError: it has ended before its time.
        """
        self.await_next()
        await park()

    def await_next(self) -> None:
        """Let what comes next wake this task, which parks: `wait` without its coroutine.

        Raises:
            ProxyError: it has ended before its time.
        """
        if self.error is not None:
            raise self.failure()
        self.reader = self._link.outbox.reactor.current

    def take(self) -> bytes:
        """All of the body that has come, as one piece; b"" when there is nothing."""
        pieces = self.pieces
        if not pieces:
            return b""
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        if not self.ended:
            self._credit += len(piece)
            self._return_credit()
        return piece

    def _return_credit(self) -> None:
        """Let the peer send more, once half of its window has been read."""
        if 2 * self._credit >= self._window and not self.closed:
            self._link.outbox.put(window_update(self.number, self._credit))
            self._room += self._credit
            self._credit = 0

    # What goes.

    def head(self, frames: bytes, ended: bool) -> None:
        """Send HEADERS frames; `ended` says that our direction ends with them."""
        if not self.closed:
            self._link.outbox.put(frames)
            if ended:
                self._end_ours()

    def try_write(self, piece: bytes, ended: bool) -> bool:
        """Send a piece of the body at once; returns False where that needs `write`."""
        size, link = len(piece), self._link
        if (
            size <= self.send_window
            and size <= link.send_window
            and size <= FRAME_BYTES
            and link.outbox.room
            and not link.starved
            and not self.closed
        ):
            self.put(piece, size, ended)
            return True
        return False

    def finish(self, trailers: bytes) -> None:
        """End our direction behind the last piece; `trailers` are field lines, as `Body.trailers`."""
        if self.closed:
            return
        link = self._link
        if trailers:
            link.outbox.put(trailers_headers(trailers, self.number, link.prefix))
            link.prefix = b""
        else:
            link.outbox.put(data_header(0, self.number, True))
        self._end_ours()

    def half_close(self) -> None:
        """End our direction; unlike after `finish`, its connection waits for its `release`, whatever the peer ends."""
        if not self.closed:
            self._link.outbox.put(data_header(0, self.number, True))
            self.over = True

    def write(self, data: bytes, ended: bool) -> Coroutine[None, None, None]:
        """Send a piece of the body. Waits for both windows, and for the peer to read.

        Raises:
            ProxyError: it has ended before its time.
        """
        return write(self, self._link, data, ended)

    def put(self, piece: bytes | memoryview, size: int, ended: bool) -> None:
        """Send a piece of so many bytes, for which there is room."""
        link = self._link
        self.send_window -= size
        link.send_window -= size
        link.floods.messages_bytes += size
        outbox = link.outbox
        header = data_header(size, self.number, ended)
        if size:
            outbox.put_two(header, piece)
        else:
            outbox.put(header)
        if link.starved:
            link.fed(self)
        if ended:
            self._end_ours()

    def _end_ours(self) -> None:
        self.over = True
        if self.ended:
            self.close()

    def reset(self, code: int = CANCEL) -> None:
        """End it at once, in both directions, and tell the peer why. Idempotent."""
        if not self.closed:
            self._link.outbox.put(rst_stream(self.number, code))
            self.close()

    def close(self) -> None:
        """Nothing of it is sent any more. Idempotent."""
        self.closed = True
        if self._listed:
            self._listed = False
            self._link.forget(self)

    def release(self, code: int = CANCEL) -> None:
        """Its message has been read, or nothing more of it is of use: reset what has not ended. Idempotent."""
        if self.closed or (self.over and self.ended):
            self.close()
        else:
            self.reset(code)
        if self.pieces:  # not before: both directions may have ended with the last of it unread
            self.pieces.clear()
