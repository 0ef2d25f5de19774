"""The worker's taps: which exchanges the control process wants samples of, and how many it gets.

Without a tap nothing is compared. A tap without a filter on the end of exchanges takes its turn before it records, so
a busy service costs no more recordings than samples.
"""

from collections.abc import Awaitable, Callable

import trio

from nodeproxy.control.samples import SampleQueue
from nodeproxy.errors import ProxyError
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.exchange.recording import Match, Recorder, Recording, Tap
from nodeproxy.exchange.sampling import sample_of
from nodeproxy.mesh.taps import RATE_MOST, TAPS_MOST, StartTap, StopTap, TapFilter, TapLeftOut
from nodeproxy.mesh.wire import line

ROUND_S = 1.0


class Quota:
    """RATE_MOST turns in each second; counts what it refuses."""

    __slots__ = ("_second", "_taken", "left_out")

    def __init__(self) -> None:
        self._second = -1
        self._taken = 0
        self.left_out = 0

    def take(self, now: float) -> bool:
        """Whether there is a turn left at `now`, seconds."""
        second = int(now)
        if second != self._second:
            self._second, self._taken = second, 0
        if self._taken >= RATE_MOST:
            self.left_out += 1
            return False
        self._taken += 1
        return True


class ActiveTap:
    """One tap of this worker."""

    def __init__(
        self, start: StartTap, samples: SampleQueue, now: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self.number = start.number
        self.quota = Quota()
        self._filter = wanted = start.filter
        self._namespace, _, self._name = wanted.service.partition("/")
        self._port, self._by_end = wanted.port, wanted.by_end
        self._path, self._method = wanted.path.encode(), wanted.method.encode()
        self._of_some_callers = bool(wanted.namespace or wanted.workload)
        self._samples = samples
        self._now = now
        self._wall = wall
        self.tap = Tap(self._wants, self._take)

    def _wants(self, exchange: Exchange, match: Match) -> bool:
        request = exchange.request
        if not request.path.startswith(self._path) or (self._method and self._method != request.method):
            return False
        if self._of_some_callers and not _called_by(exchange, self._filter):
            return False
        try:
            route = match(request, exchange.caller.namespace)
        except ProxyError:  # the request goes nowhere, and is answered so in its turn
            return False
        service = route.service
        if service.name != self._name or service.namespace != self._namespace:
            return False
        if self._port and self._port != route.port.number:
            return False
        return self._by_end or self.quota.take(self._now())

    def _take(self, recording: Recording) -> None:
        wanted = self._filter
        if self._by_end:
            first, last = wanted.statuses
            if not first <= recording.status <= last or recording.elapsed_s < wanted.slower_than_s:
                return
            if not self.quota.take(self._now()):
                return
        self._samples.add(sample_of(recording, self._wall, (self.number,)))


def _called_by(exchange: Exchange, wanted: TapFilter) -> bool:
    namespace, workload = exchange.caller.labels
    return wanted.namespace in ("", namespace) and wanted.workload in ("", workload)


class Taps:
    """The taps of a worker, by number."""

    def __init__(
        self, recorder: Recorder, samples: SampleQueue, now: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self._recorder = recorder
        self._samples = samples
        self._now = now
        self._wall = wall
        self._active: dict[int, ActiveTap] = {}

    def follow(self, message: StartTap | StopTap) -> None:
        """Start or stop one. A start that is repeated changes nothing; one beyond TAPS_MOST is ignored."""
        if isinstance(message, StopTap):
            if (active := self._active.pop(message.number, None)) is not None:
                self._recorder.remove(active.tap)
        elif message.number not in self._active and len(self._active) < TAPS_MOST:
            active = self._active[message.number] = ActiveTap(message, self._samples, self._now, self._wall)
            self._recorder.add(active.tap)

    def clear(self) -> None:
        """Stop all: the control process has gone, and with it those who look."""
        for active in self._active.values():
            self._recorder.remove(active.tap)
        self._active.clear()

    async def report(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send what is left out, once a second where that has changed, forever."""
        sent: tuple[TapLeftOut, ...] = ()
        while True:
            await trio.sleep(ROUND_S)
            now = self.left_out()
            news = [each for each in now if each not in sent]
            sent = now
            if news:
                await send(b"".join(map(line, news)))

    def left_out(self) -> tuple[TapLeftOut, ...]:
        """How much each tap has left out, of those that have."""
        counts = ((number, active.quota.left_out) for number, active in self._active.items())
        return tuple(TapLeftOut(number, count) for number, count in counts if count)
