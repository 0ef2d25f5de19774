"""Moving large amounts: in slices, so that what is small waits for a slice and no longer.

A direction of a relay that receives as much as it asks for has more where that came from. It is not moved when an event
of it comes, but here, in turn with the others: the reactor looks at all events between two slices, and a small message
waits for at most one in each direction, however many bulk streams there are.
"""

from typing import TYPE_CHECKING, Protocol

from nodeproxy.io.fair_queue import FairQueue

if TYPE_CHECKING:
    from nodeproxy.io.reactor import Reactor

# One receive. A larger piece costs fewer system calls, and leaves the cache before it is sent: of 64 KiB to 1 MiB this
# had the least CPU per GiB on a machine with 1 MiB of second-level cache for each core.
PIECE_BYTES = 256 * 1024
SLICE_S = 0.0002  # about two pieces
# What slow sinks have not taken, in all relays together; beyond it a piece is small. A few slow readers have no need of
# it, and thousands of them must not take a quarter of a megabyte each.
HELD_BYTES = 64 * 1024 * 1024
SMALL_BYTES = 16 * 1024  # what fills it has more behind it: most messages are smaller, and cost no large allocation


class Transfer(Protocol):
    """Something that moves large amounts."""

    share: object
    """See `Task.share`: each share has its turn."""
    queued: bool
    """Whether its turn comes; owned by Bulk."""

    def transfer(self, buffer: memoryview) -> None:
        """Move one piece, by way of `buffer`, which it must not keep."""
        ...


class Bulk:
    """The queue of a reactor. See `callbacks.Runnable`."""

    __slots__ = ("_buffer", "_reactor", "_waiting", "held_bytes", "queued")

    share = None
    """Of none: within a slice each share has its turn."""

    def __init__(self, reactor: "Reactor") -> None:
        self.queued = False
        self.held_bytes = 0
        """What all relays hold because a sink has not taken it: they count it."""
        self._reactor = reactor
        self._waiting: FairQueue[Transfer] = FairQueue()
        self._buffer: memoryview | None = None

    def put(self, transfer: Transfer) -> None:
        """Let `transfer` move a piece when its turn comes. Idempotent."""
        if not transfer.queued:
            transfer.queued = True
            self._waiting.put(transfer.share, transfer)
            self._reactor.wake(self)

    def resume(self) -> None:
        """Move a slice."""
        waiting, clock, buffer = self._waiting, self._reactor.clock, self._buffer
        if buffer is None:
            buffer = self._buffer = memoryview(bytearray(PIECE_BYTES))
        until = clock() + SLICE_S
        while waiting:
            transfer = waiting.take()
            transfer.queued = False
            transfer.transfer(buffer if self.held_bytes < HELD_BYTES else buffer[:SMALL_BYTES])
            if clock() >= until:
                break
        if waiting:
            self._reactor.wake(self)
