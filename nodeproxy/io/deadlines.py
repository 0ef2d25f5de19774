"""Which tasks have to be looked at when. Holds one place per living task and nothing of those that have ended.

A hashed timing wheel: most deadlines are put off or done with long before they pass, so putting and dropping one must
cost next to nothing. Source: G. Varghese, T. Lauck, Hashed and Hierarchical Timing Wheels, 1987.
"""

from heapq import heappop, heappush
from math import inf
from typing import Protocol

TICK_S = 0.05  # how much too early a task may be looked at; it then asks for the exact time
AHEAD_S = 60.0  # a later one is looked at on the way: bounds the ticks there can be


class Timed(Protocol):
    """Something with a deadline."""

    tick: int
    """Where it stands; owned by Deadlines. NOWHERE at first."""

    def look(self) -> None:
        """It may be time."""
        ...


NOWHERE = -1


class Deadlines:
    """Tasks by the tick in which they are looked at."""

    __slots__ = ("_by_tick", "_ticks")

    def __init__(self) -> None:
        self._by_tick: dict[int, dict[Timed, None]] = {}
        self._ticks: list[int] = []  # a heap of the keys

    def __len__(self) -> int:
        return sum(map(len, self._by_tick.values()))

    def put(self, task: Timed, when: float, now: float) -> float:
        """Look at `task` at `when` (monotonic seconds) or a while before, and not where it stood; gives that time."""
        if task.tick != NOWHERE:
            self.drop(task)
        tick = task.tick = int(min(when, now + AHEAD_S) / TICK_S)
        tasks = self._by_tick.get(tick)
        if tasks is None:
            tasks = self._by_tick[tick] = {}
            heappush(self._ticks, tick)
        tasks[task] = None
        return tick * TICK_S

    def drop(self, task: Timed) -> None:
        """Look at `task` no more."""
        self._by_tick.get(task.tick, {}).pop(task, None)
        task.tick = NOWHERE

    def next_s(self) -> float:
        """When there is somebody to be looked at, monotonic seconds; infinite when there is nobody."""
        while self._ticks and not self._by_tick[self._ticks[0]]:
            del self._by_tick[heappop(self._ticks)]
        return self._ticks[0] * TICK_S if self._ticks else inf

    def look(self, now: float) -> bool:
        """Look at all whose time has come; whether there was anybody."""
        found = False
        while self._ticks and self._ticks[0] * TICK_S <= now:
            for task in self._by_tick.pop(heappop(self._ticks)):
                found = True
                task.tick = NOWHERE
                task.look()
        return found
