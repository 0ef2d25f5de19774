"""Task deadlines: which tasks are due when. Holds one entry per running task and none for tasks that have ended.

A hashed timing wheel: most deadlines are moved or dropped long before they pass, so adding and dropping one must
cost next to nothing. Source: G. Varghese, T. Lauck, Hashed and Hierarchical Timing Wheels, 1987.
"""

from heapq import heappop, heappush
from math import inf
from typing import Protocol

TICK_S = 0.05  # how early a task may be called; it then sets a timer for the exact time
AHEAD_S = 60.0  # a later deadline is called up to FAR_TICKS early, then put again: bounds the number of ticks
FAR_TICKS = 20
FAR_S = 600.0  # and one later than this once per FAR_S: a call costs 5 us, and idle TCP connections have an hour


class Timed(Protocol):
    """Something with a deadline."""

    tick: int
    """Its position; owned by Deadlines. NOWHERE at first."""

    def look(self) -> None:
        """Check the deadline: it may have passed."""
        ...


NOWHERE = -1


class Deadlines:
    """Tasks by the tick in which they are due."""

    __slots__ = ("_by_tick", "_ticks", "next_tick_s")

    def __init__(self) -> None:
        self._by_tick: dict[int, dict[Timed, None]] = {}
        self._ticks: list[int] = []  # a heap of the keys
        self.next_tick_s = inf
        """When `look` has something to do, monotonic seconds."""

    def __len__(self) -> int:
        return sum(map(len, self._by_tick.values()))

    def put(self, task: Timed, when: float, now: float) -> float:
        """Schedule `task` for `when` (monotonic seconds) or up to a tick earlier; returns the time of that tick.

        Far ahead it may be earlier. Replaces the task's earlier entry.
        """
        if task.tick != NOWHERE:
            self.drop(task)
        tick = int(min(when, now + FAR_S) / TICK_S)
        if when - now > AHEAD_S:
            tick -= tick % FAR_TICKS
        task.tick = tick
        tasks = self._by_tick.get(tick)
        if tasks is None:
            tasks = self._by_tick[tick] = {}
            heappush(self._ticks, tick)
            self.next_tick_s = self._ticks[0] * TICK_S
        tasks[task] = None
        return tick * TICK_S

    def drop(self, task: Timed) -> None:
        """Remove the entry of `task`, if it has one."""
        self._by_tick.get(task.tick, {}).pop(task, None)
        task.tick = NOWHERE

    def next_s(self) -> float:
        """When the earliest task is due, monotonic seconds; infinite without tasks."""
        while self._ticks and not self._by_tick[self._ticks[0]]:
            del self._by_tick[heappop(self._ticks)]
        self.next_tick_s = self._ticks[0] * TICK_S if self._ticks else inf
        return self.next_tick_s

    def look(self, now: float) -> bool:
        """Call `look` of every task that is due at `now`; returns whether there was one."""
        found = False
        while self._ticks and self._ticks[0] * TICK_S <= now:
            for task in self._by_tick.pop(heappop(self._ticks)):
                found = True
                task.tick = NOWHERE
                task.look()
        self.next_tick_s = self._ticks[0] * TICK_S if self._ticks else inf
        return found
