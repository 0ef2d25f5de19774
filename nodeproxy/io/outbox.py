"""What many tasks send on one channel, written once per turn of the reactor.

A write costs a system call and wakes the peer: with one per turn, frames of several streams share it (1.7 times fewer
microseconds per request with 8 streams a connection).
"""

from itertools import islice

from nodeproxy.errors import ProxyError
from nodeproxy.io.calls import park
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.task import Task

TURNS = 4  # tasks that are woken at once: so many frames fill the room
ROOM_BYTES = 64 * 1024  # waiting for the peer, beyond which bodies wait: what a socket buffer takes at once


class Outbox:
    """Collects bytes for a channel that nothing else sends on. `put` never waits: its user asks for `room` before.

    A failed write drops what waits and is not an error here: what the peer sent before may still be read, and the end
    of the channel is noticed there.
    """

    __slots__ = ("_channel", "_flush_due", "_parts", "_rest", "_waiting", "reactor", "share", "size")

    def __init__(self, channel: SocketChannel, share: object = None) -> None:
        self.size = 0
        """Bytes that have not been written."""
        self.share = share
        """See `Task.share`."""
        self._channel = channel
        self.reactor = channel.reactor
        self._parts: list[bytes | memoryview] = []
        self._rest: memoryview | None = None  # what the socket has not taken yet
        self._flush_due = False
        self._waiting: dict[Task, None] = {}  # in the order of their turns

    @property
    def room(self) -> bool:
        """Whether the peer reads fast enough for more of a body to be put."""
        return self.size < ROOM_BYTES

    def put(self, data: bytes | memoryview) -> None:
        """Send `data` at the end of this turn, or behind what the peer has not read."""
        self._parts.append(data)
        self.size += len(data)
        if not self._flush_due and self._rest is None:
            self._flush_due = True
            self.reactor.flush_after_turn(self)

    def put_two(self, first: bytes, second: bytes | memoryview) -> None:
        """As `put` of one and the other."""
        self._parts += (first, second)
        self.size += len(first) + len(second)
        if not self._flush_due and self._rest is None:
            self._flush_due = True
            self.reactor.flush_after_turn(self)

    async def turn(self) -> None:
        """Wait for a turn to put a piece of a body, first come, first served. May be spurious.

        A task that does not use its turn calls `pass_on`.
        """
        task = self.reactor.current
        self._waiting[task] = None
        if not self._flush_due and self._rest is None:
            self.reactor.wake(task)
        try:
            await park()
        except BaseException:
            self._waiting.pop(task, None)
            self.pass_on()
            raise
        self._waiting.pop(task, None)  # else a turn would be kept for a task that may be over

    def pass_on(self) -> None:
        """Let the next task that waits for a turn have it."""
        if self._waiting and self.room:
            self._wake(1)

    async def emptied(self) -> None:
        """Wait until all has been written, or can never be."""
        while self.size and not self._channel.closed:
            await self.turn()

    def flush(self) -> None:
        """See `reactor.Flushed`."""
        self._flush_due = False
        if self._rest is None and self._parts:
            parts = self._parts
            self._write(b"".join(parts) if len(parts) > 1 else parts[0])
            parts.clear()

    def resume(self) -> None:
        """See `channel.Resumed`."""
        if self._rest is not None and self._channel.writable and self._write(self._rest):
            self.flush()

    def _write(self, data: bytes | memoryview) -> bool:
        """Returns whether all was written, or can never be."""
        self._rest = None
        channel = self._channel
        try:
            sent = len(data) if channel.closed else channel.send_now(data)
        except ProxyError:
            sent = len(data)
        self.size -= sent
        if sent < len(data):
            self._rest = memoryview(data)[sent:]
            channel.writer = self
        if self._waiting and self.room:
            self._wake(TURNS)
        return self._rest is None

    def _wake(self, most: int) -> None:
        waiting = self._waiting
        for task in list(islice(waiting, most)):
            del waiting[task]
            self.reactor.wake(task)
