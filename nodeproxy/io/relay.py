"""The relay between two sockets: bytes go both ways, unread, until both sides have ended theirs or one has failed.

It runs in callbacks of the reactor, without a task for either direction. A small message is received and sent where its
event is handled; what comes in large pieces has its turn in `bulk`. Each direction holds at most one piece, what its
sink has not taken of it: meanwhile nothing is received from its source, which the kernel then stops.
"""

import select
from collections.abc import Callable
from math import inf
from typing import Protocol

from nodeproxy.io.bulk import SMALL_BYTES
from nodeproxy.io.calls import park
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.task import Task

_INPUT = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_ENDING = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_GONE = select.EPOLLHUP | select.EPOLLERR
_OUTPUT = select.EPOLLOUT


Tap = Callable[[bytes | memoryview], None]
"""Is called with each piece that the second side has got, which it must not keep. It never raises."""


class Counted(Protocol):
    """A number of bytes that the relay adds to."""

    bytes: int


class Relay:
    """Joins the connections of two sides, for the task that waits in `until_over`. Closes neither.

    `idle_s` is how long no byte may move, in either direction: each that moves postpones the deadline of the task.
    """

    __slots__ = ("_down", "_up", "first", "idle_s", "moved", "over", "reason", "second", "task")

    def __init__(self, task: Task, first: SocketChannel, second: SocketChannel, idle_s: float = inf) -> None:
        self.task = task
        self.first = first
        self.second = second
        self.idle_s = idle_s
        self.over = False
        self.reason = ""
        """Why it ended: "" where both sides had ended theirs, else the `ProxyError.reason` of the first to fail."""
        self.moved = 0, 0
        """Bytes that the second side has got, and the first; once it is over."""
        self._up: Direction | None = None
        self._down: Direction | None = None

    def begin(self, up: Counted, down: Counted, early: bytes = b"", late: bytes = b"", tap: Tap | None = None) -> None:
        """Take over both sockets, and move what is there: first `early`, which the first side has sent, and `late`.

        `up` counts what the second side gets, `down` what the first gets.
        """
        self.task.limit(self.task.reactor.now + self.idle_s)
        to_second = Direction(self, self.first, self.second, up, early)
        to_first = Direction(self, self.second, self.first, down, late)
        to_second.reverse, to_first.reverse = to_first, to_second
        to_second.abandons = True
        if tap is not None:
            to_second.tap(tap)
        self._up, self._down = to_second, to_first
        self.first.hand_over(to_second)
        self.second.hand_over(to_first)
        to_second.begin()
        to_first.begin()

    async def until_over(self) -> None:
        """Wait until it is over; `reason` says why.

        Raises:
            DeadlinePassed: no byte has moved for `idle_s`. It goes on: see `end`.
        """
        while not self.over:
            await park()

    def fail(self, reason: str) -> None:
        """End it because of a side that has failed."""
        self.reason = self.reason or reason
        self.finish()

    def finish(self) -> None:
        """End it, and let its task go on."""
        self.end()
        self.task.reactor.wake(self.task)

    def end(self) -> None:
        """Move nothing more; the channels handle their events again. Idempotent."""
        if self.over:
            return
        self.over = True
        up, down, self._up, self._down = self._up, self._down, None, None
        if up is not None and down is not None:
            up.reverse = down.reverse = None
            up.hold(b"")
            down.hold(b"")
            self.moved = up.moved, down.moved
            self.first.take_back()
            self.second.take_back()


class Direction:
    """One direction of a relay. Handles the events of its source: its input, and output for the other direction.

    `reverse` is the other direction, None once the relay is over: events and turns may come later. See
    `callbacks.Watcher` and `bulk.Transfer`.
    """

    __slots__ = (
        "_bulk", "_counted", "_held", "_held_bytes", "_large", "_reactor", "_recv", "_recv_into", "_relay", "_send",
        "_sink", "_source", "_task", "abandons", "ended", "ending", "gone", "moved", "queued", "reverse", "share",
    )  # fmt: skip

    def __init__(self, relay: Relay, source: SocketChannel, sink: SocketChannel, counted: Counted, held: bytes) -> None:
        self.reverse: Direction | None = None
        self.abandons = False
        """Whether what the sink has not taken is dropped when the source has broken its connection."""
        self.ended = False
        """Whether nothing more is received: the source has ended its side, or the sink takes nothing."""
        self.ending = source.ending
        """Whether there will be no further event of input: what is there has to be read to its end."""
        self.gone = source.ending and source.hung_up()
        """Whether the source has broken its connection: what it sent before may still be there."""
        self.moved = 0
        """Bytes that the sink has taken."""
        self.queued = False
        self.share = relay.task.share
        self._large = False  # whether the last piece was: the next one waits for its turn
        self._held: bytes | memoryview = b""
        self._held_bytes = 0
        self._counted = counted
        self._relay = relay
        self._task = relay.task
        self._reactor = relay.task.reactor
        self._bulk = self._reactor.bulk
        self._source, self._sink = source, sink
        self._recv, self._recv_into, _ = source.raw
        self._send = sink.raw[2]
        if held:
            self.hold(held)

    def begin(self) -> None:
        """Move what there is."""
        if self._held or self._source.readable:
            self.flush()

    def tap(self, tap: Tap) -> None:
        """Let `tap` have all that the sink takes. Without one nothing is asked for it."""
        send = self._send

        def tapped(data: bytes | memoryview) -> int:
            sent = send(data)
            tap(data if sent == len(data) else memoryview(data)[:sent])
            return sent

        self._send = tapped

    def ready(self, mask: int) -> None:
        """See `callbacks.Watcher`."""
        reverse = self.reverse
        if reverse is None:
            return
        if mask & _OUTPUT and reverse._held:
            reverse.flush()
        if mask & _INPUT:
            if mask & _ENDING:
                self._note_end(mask)
            if self._large:
                self._bulk.put(self)
            else:
                self.move()

    def move(self) -> None:
        """Receive a small message and send it."""
        if self._held or self.ended or self.reverse is None:
            return
        try:
            data = self._recv(SMALL_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._relay.fail(self._source.broken.reason)
            return
        if not data:
            self._finish()
            return
        size = len(data)
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._cut_off()
            return
        self._counted.bytes += sent
        self.moved += sent
        self._task.deadline = self._reactor.now + self._relay.idle_s
        if sent < size:
            self._hold_back(data[sent:])
        elif size == SMALL_BYTES:
            self._large = True
            self._bulk.put(self)
        elif self.ending:
            self._bulk.put(self)

    def transfer(self, buffer: memoryview) -> None:
        """See `bulk.Transfer`."""
        if self._held or self.ended or self.reverse is None:
            return
        try:
            size = self._recv_into(buffer)
        except BlockingIOError:
            return
        except OSError:
            self._relay.fail(self._source.broken.reason)
            return
        if not size:
            self._finish()
            return
        try:
            sent = self._send(buffer[:size])
        except BlockingIOError:
            sent = 0
        except OSError:
            self._cut_off()
            return
        self._count(sent)
        self._large = size >= SMALL_BYTES
        if sent < size:
            self._hold_back(bytes(buffer[sent:size]))
        elif size == len(buffer) or self.ending:
            self._bulk.put(self)

    def flush(self) -> None:
        """Send what is held, then go on."""
        held = self._held
        if held:
            try:
                sent = self._send(held)
            except BlockingIOError:
                return
            except OSError:
                self._cut_off()
                return
            self._count(sent)
            if sent < len(held):
                self._held = memoryview(held)[sent:]  # of which all stays in memory
                return
            self.hold(b"")
        if self._large:
            self._bulk.put(self)
        else:
            self.move()

    def _count(self, sent: int) -> None:
        self._counted.bytes += sent
        self.moved += sent
        self._task.deadline = self._reactor.now + self._relay.idle_s

    def hold(self, rest: bytes) -> None:
        """Keep `rest` for the sink, and nothing else."""
        self._bulk.held_bytes += len(rest) - self._held_bytes
        self._held, self._held_bytes = rest, len(rest)

    def _hold_back(self, rest: bytes) -> None:
        self.hold(rest)
        if self.gone and self.abandons:
            self._relay.fail(self._source.broken.reason)

    def _note_end(self, mask: int) -> None:
        """The source has ended its side or, where the sink still may send to it, broken its connection."""
        self.ending = True
        if mask & _GONE and self.reverse is not None and not self.reverse.ended:
            self.gone = True
            if self.ended or (self._held and self.abandons):
                self._relay.fail(self._source.broken.reason)

    def _finish(self) -> None:
        """The source has ended its side: so does the sink's, unless a side has failed, which is no orderly end."""
        self.ended = True
        if self.reverse is not None and self.reverse.ended:
            self._relay.finish()  # the close of the sink is its end
        elif not self._relay.reason:
            self._sink.half_close()

    def _cut_off(self) -> None:
        """The sink takes nothing more: what it sent before may still be there to be received."""
        reverse = self.reverse
        self.hold(b"")
        self._relay.reason = self._relay.reason or self._sink.broken.reason
        if reverse is not None:
            reverse.ending = True
            self._bulk.put(reverse)
        self._finish()
