"""The event loop of the hot lane: waits for sockets, wakes tasks, runs timers.

It runs in one trio task. Under traffic it waits in its own epoll, where a turn costs a few microseconds; after
LINGER_S without events it waits in trio, so that trio's tasks (admin, updates, probes) get the core. HTTP is the
business of the layers above.
"""

import select
from collections import deque
from collections.abc import Callable, Coroutine
from heapq import heappop, heappush
from itertools import count
from socket import SocketType
from time import monotonic
from typing import Any

import trio

from nodeproxy.io.bulk import Bulk
from nodeproxy.io.callbacks import Flushed, Runnable, Watcher
from nodeproxy.io.calls import park
from nodeproxy.io.deadlines import TICK_S, Deadlines, Timed
from nodeproxy.io.fair_queue import FairQueue
from nodeproxy.io.task import Cancelled, Task

EVENTS_PER_TURN = 256  # a turn of this many plain requests takes about 3 ms
CROWD = 16  # events of one turn, from which on they are handled by share: fewer are over within about 0.3 ms
CROWD_EVENTS = 4096  # per turn of a crowd: only what was fetched can have its turn
CROWD_SLICE_S = 0.0003  # of a crowd's turn, before new events are fetched: about ten requests; a fetch costs 5 us
SLICE_S = 0.005  # how long the hot lane may keep the core before trio's tasks get a turn
LINGER_S = 0.001  # how long it waits in its own epoll for the next request: a wait in trio costs about 30 us more
LAG_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET


class Reactor:
    """One epoll, the tasks that wait for it, and a clock.

    Events are handled in the order in which they came. When CROWD or more are waiting and there are several shares,
    each share has its turn instead: the clients of one address cannot make those of another wait for more than a few
    requests.

    `clock` returns monotonic seconds; `now` is its value at the beginning of the turn, good enough for deadlines.
    `on_error` is called with the uncaught exception that ended a task.
    """

    def __init__(
        self, clock: Callable[[], float] = monotonic, on_error: Callable[[BaseException], None] | None = None
    ) -> None:
        self.clock = clock
        self.now = clock()
        self.current: Task
        self.lag = [0] * (len(LAG_BOUNDS_S) + 1)
        """How many turns were as long as each bound of LAG_BOUNDS_S, the ones below the first not counted."""
        self.longest_turn_s = 0.0
        self.sharing = False
        """Whether there are several shares, set by what admits clients: otherwise nothing is sorted."""
        self._on_error = on_error
        self._epoll = select.epoll()
        self._watchers: dict[int, Watcher] = {}
        self._ready: deque[Runnable] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._deadlines = Deadlines()
        self.look_no_more = self._deadlines.drop
        """Drop the deadline of a task."""
        self._closing: list[SocketType] = []
        self._flushing: list[Flushed] = []
        self._nap: trio.CancelScope | None = None
        self._crowd: FairQueue[tuple[Watcher, int] | Runnable] = FairQueue()
        self.bulk = Bulk(self)
        """What moves large amounts, in the time that is left for it."""
        self._crowded = False  # whether there is something in it, or will be in this turn

    def watch(self, sock: SocketType, watcher: Watcher, events: int = EDGES) -> None:
        """Call `watcher` on every event of `sock` from now on.

        Raises:
            OSError: the kernel is out of memory, or the user's watches are used up (epoll_ctl(2)).
        """
        self._epoll.register(sock.fileno(), events)
        self._watchers[sock.fileno()] = watcher

    def forget(self, sock: SocketType) -> None:
        """Stop watching `sock`; it stays open."""
        if self._watchers.pop(sock.fileno(), None) is not None:
            self._epoll.unregister(sock.fileno())

    def pass_on(self, sock: SocketType, watcher: Watcher) -> None:
        """Call `watcher` on the events of `sock` from now on, which is watched, instead of the one before."""
        self._watchers[sock.fileno()] = watcher

    def close_after_turn(self, sock: SocketType, shared: bool = False) -> None:
        """Close `sock`, which is watched, after the events of this turn have been handled.

        Before that, the kernel must not reuse its number: a pending event of this turn would be attributed to the new
        socket. A socket that is `shared` with another process is removed from the epoll first: closing one of several
        copies does not remove it (epoll(7), questions and answers), and its events would continue under a number that
        belongs to a different socket by then.
        """
        if self._watchers.pop(sock.fileno(), None) is not None:
            if shared:
                self._epoll.unregister(sock.fileno())
            self._closing.append(sock)
            self._stir()

    def flush_after_turn(self, flushed: Flushed) -> None:
        """Call `flush` once, when the tasks of this turn have run."""
        self._flushing.append(flushed)
        if self._nap is not None:
            self._stir()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> Task:
        """Start a task without a parent; it begins in the next turn."""
        task = Task(self, coroutine)
        self.wake(task)
        return task

    def wake(self, task: Runnable) -> None:
        """Let `task` look again in the next turn."""
        if not task.queued:
            task.queued = True
            self._ready.append(task)
            if self._nap is not None:  # asked here as well: three calls per request
                self._stir()

    def call_at(self, when: float, call: Callable[[], None]) -> None:
        """Call `call` at `when`, monotonic seconds; there is no taking back, it must look whether it still matters."""
        heappush(self._timers, (when, next(self._order), call))
        self._stir()

    def look_at(self, task: Timed, when: float) -> float:
        """Check the deadline of `task` at `when` or up to a tick earlier; returns that time.

        Replaces the earlier check.
        """
        if when - self.now < TICK_S:
            self._deadlines.drop(task)
            self.call_at(when, task.look)
            return when
        self._stir()
        return self._deadlines.put(task, when, self.now)

    async def sleep(self, seconds: float) -> None:
        """Suspend the current task for `seconds`."""
        task, until = self.current, self.now + seconds
        self.call_at(until, lambda: self.wake(task))
        while self.now < until:
            await park()

    async def rest(self) -> None:
        """Yield to all other tasks once: for a task that has used its share of this turn."""
        task = self.current
        self.wake(task)
        while task.queued:  # an event of one of its sockets does not end its rest
            await park()

    @property
    def crowded(self) -> bool:
        """Whether what is new waits for its share's turn, because others wait already."""
        return self._crowded

    def turn(self, wait_s: float = 0.0) -> bool:
        """Run one turn: wait up to `wait_s` for events, resume the tasks that events and timers have made ready.

        Returns False when there was neither an event, a ready task nor a timer.
        """
        crowded = self._crowded
        busy = crowded or self._ready or self._closing or self._flushing
        events = self._epoll.poll(0 if busy else wait_s, CROWD_EVENTS if crowded else EVENTS_PER_TURN)
        began = self.now = self.clock()
        watchers = self._watchers
        if crowded or (len(events) >= CROWD and self.sharing):
            crowded = self._crowded = True
            self._sort(events)
        else:
            for number, mask in events:
                watcher = watchers.get(number)
                if watcher is not None:
                    watcher.ready(mask)
        due = self._deadlines.next_tick_s <= began and self._deadlines.look(began)
        if self._timers and self._timers[0][0] <= began:
            due = True
            self._call_timers()
        ready = self._ready
        if self.sharing and not crowded and len(events) + len(ready) >= CROWD:
            crowded = self._crowded = True
        resumed = 0
        if ready:
            resumed = len(ready)
            for _ in range(resumed):  # tasks queued meanwhile wait for the next turn
                task = ready.popleft()
                if crowded and task.share is not None:
                    self._crowd.put(task.share, task)
                else:
                    task.queued = False
                    task.resume()
        if crowded:
            self._serve_crowd()
            due = True
        if self._flushing:
            flushing, self._flushing = self._flushing, []
            for flushed in flushing:
                flushed.flush()
        while self._closing:
            self._closing.pop().close()
        lag_s = self.clock() - began
        if lag_s >= LAG_BOUNDS_S[0]:
            self._note_lag(lag_s)
        return bool(events or resumed or due)

    async def run(self) -> None:
        """Run turns for ever, in one trio task."""
        slice_end = self.clock() + SLICE_S
        while True:
            # A timer that is due sooner may be late by as much: epoll waits for whole milliseconds in any case.
            if not self.turn(LINGER_S):
                await self._wait_in_trio()
                slice_end = self.clock() + SLICE_S
            elif self.now >= slice_end:
                await trio.lowlevel.checkpoint()
                slice_end = self.clock() + SLICE_S

    def task_failed(self, error: BaseException) -> None:
        """Report the error that has ended a task: no other task can have caught it."""
        if not isinstance(error, Cancelled) and self._on_error is not None:
            self._on_error(error)

    def close(self) -> None:
        """Close the epoll; each watcher closes its own socket."""
        self._epoll.close()

    async def _wait_in_trio(self) -> None:
        with trio.CancelScope(deadline=trio.current_time() + self._patience()) as self._nap:
            if not self._ready and not self._closing and not self._flushing:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
        self._nap = None

    def _patience(self) -> float:
        """How long to wait for events at most, before a timer is due."""
        next_s = self._deadlines.next_s()
        if self._timers:
            next_s = min(next_s, self._timers[0][0])
        return max(0.0, next_s - self.clock())

    def _sort(self, events: list[tuple[int, int]]) -> None:
        """Put the events of a crowd into the queue of their shares, and handle those without one."""
        watchers, put = self._watchers, self._crowd.put
        for number, mask in events:
            watcher = watchers.get(number)
            if watcher is None:
                continue
            share = watcher.share
            if share is None:
                watcher.ready(mask)
            else:
                put(share, (watcher, mask))

    def _serve_crowd(self) -> None:
        """Handle what waits, each share in turn, for CROWD_SLICE_S."""
        crowd, clock = self._crowd, self.clock
        until, take = clock() + CROWD_SLICE_S, crowd.take
        for _ in range(len(crowd)):  # what is handled puts nothing into it: new work is ready in the next turn
            item = take()
            if isinstance(item, tuple):
                item[0].ready(item[1])
            else:
                item.queued = False
                item.resume()
            if clock() >= until:
                break
        self._crowded = bool(crowd)

    def _stir(self) -> None:
        """End a wait in trio: code outside the hot lane has queued work."""
        if self._nap is not None:
            self._nap.cancel()

    def _call_timers(self) -> None:
        while self._timers and self._timers[0][0] <= self.now:
            heappop(self._timers)[2]()

    def _note_lag(self, lag_s: float) -> None:
        self.longest_turn_s = max(self.longest_turn_s, lag_s)
        self.lag[sum(bound <= lag_s for bound in LAG_BOUNDS_S) - 1] += 1
