"""The taps that are open: asked of every worker, also of one that connects meanwhile; bounded in number and in size.

A sample waits in its tap until the one who looks takes it. When that is slow, the newest samples are dropped and
counted: neither workers nor other taps wait for it.
"""

from collections import deque
from collections.abc import Collection, Iterable
from itertools import count

import anyio

from discovery.workers.pending import Backlog
from nodeproxy.mesh.samples import ExchangeSample
from nodeproxy.mesh.taps import TAPS_MOST, StartTap, StopTap, TapFilter, TapLeftOut

HELD_MOST = 1000  # samples of one tap: 2 MB


class TooManyTaps(Exception):
    """TAPS_MOST taps are open."""


class OpenTap:
    """One tap, for the one who looks."""

    def __init__(self, number: int, wanted: TapFilter) -> None:
        self.start = StartTap(number, wanted)
        self._held: deque[ExchangeSample] = deque()
        self._dropped = 0
        self._left_out: dict[Backlog, int] = {}
        self._something = anyio.Event()

    @property
    def left_out(self) -> int:
        """Samples that matched and are not shown: beyond the workers' rate, or not taken in time."""
        return self._dropped + sum(self._left_out.values())

    async def samples(self) -> list[ExchangeSample]:
        """What has come since the last call; waits until there is something."""
        while not self._held:
            self._something = anyio.Event()
            await self._something.wait()
        some = list(self._held)
        self._held.clear()
        return some

    def put(self, sample: ExchangeSample) -> None:
        """Holds a sample, unless too many are held."""
        if len(self._held) >= HELD_MOST:
            self._dropped += 1
        else:
            self._held.append(sample)
            self._something.set()

    def note(self, worker: Backlog, left_out: int) -> None:
        """Notes how many samples the worker at this connection has left out."""
        self._left_out[worker] = left_out


class Taps:
    """All taps of the node; `workers` are the connected ones."""

    def __init__(self, workers: Collection[Backlog]) -> None:
        self._workers = workers
        self._open: dict[int, OpenTap] = {}
        self._numbers = count(1)

    @property
    def full(self) -> bool:
        """Whether no more can be opened."""
        return len(self._open) >= TAPS_MOST

    def open(self, wanted: TapFilter) -> OpenTap:
        """Starts a tap.

        Raises:
            TooManyTaps: too many are open.
        """
        if self.full:
            raise TooManyTaps
        tap = OpenTap(next(self._numbers), wanted)
        self._open[tap.start.number] = tap
        for worker in self._workers:
            worker.tap(tap.start)
        return tap

    def close(self, tap: OpenTap) -> None:
        """Ends a tap."""
        del self._open[tap.start.number]
        for worker in self._workers:
            worker.tap(StopTap(tap.start.number))

    def connected(self, worker: Backlog) -> None:
        """Starts all taps in a worker that has connected."""
        for tap in self._open.values():
            worker.tap(tap.start)

    def take(self, samples: Iterable[ExchangeSample]) -> None:
        """Puts samples into their taps; those of a tap that is closed are dropped."""
        for sample in samples:
            for number in sample.taps:
                if (tap := self._open.get(number)) is not None:
                    tap.put(sample)

    def note(self, worker: Backlog, message: TapLeftOut) -> None:
        """Notes what `worker` has left out."""
        if (tap := self._open.get(message.number)) is not None:
            tap.note(worker, message.left_out)
