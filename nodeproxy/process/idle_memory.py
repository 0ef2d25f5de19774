"""Gives the memory of a peak back to the system, once most of what it was for is gone.

Nothing else does so for three things that a flood of requests leaves: garbage in cycles, which Python collects only
after many new objects; its free lists, up to 2,000 tuples of each size, any of which keeps an arena of 1 MiB; and free
memory in the heap of the C library. Arenas with an object that lives on stay (CPython's Objects/obmalloc.c).
"""

import ctypes
import gc
import sys
from collections.abc import Callable

import trio

LOOK_S = 1.0  # counting the objects takes 10 us
PEAK_OBJECTS = 100_000  # above the least: about 3,000 requests at a time, or 15 MiB
REST_OBJECTS = 25_000  # above the least, below which a peak is over: a collection looks at no more, for 10 ms
AGAIN_LOOKS = 65  # of a worker at rest, after the first time: idle connections to endpoints are closed after a minute


class IdleMemory:
    """Notices the end of a peak, and calls `give_back` then, and once more AGAIN_LOOKS later.

    `objects` returns how many there are.
    """

    __slots__ = ("_again", "_give_back", "_least", "_most", "_objects")

    def __init__(self, objects: Callable[[], int], give_back: Callable[[], None]) -> None:
        self._objects = objects
        self._give_back = give_back
        self._least = self._most = objects()
        self._again = 0  # looks until the second time; 0: none is due

    def look(self) -> None:
        """To be called every LOOK_S."""
        objects = self._objects()
        self._least = min(self._least, objects)
        self._most = max(self._most, objects)
        if objects - self._least > REST_OBJECTS:
            return
        if self._most - self._least >= PEAK_OBJECTS:
            self._again = AGAIN_LOOKS
        elif self._again:
            self._again -= 1
            if self._again:
                return
        else:
            return
        self._give_back()
        self._most = self._objects()


def to_the_system() -> Callable[[], None]:
    """What gives back all that is free; without glibc, what the collector frees."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none, and returns memory by itself

    def give_back() -> None:
        gc.collect()
        if trim is not None:
            trim(0)

    return give_back


async def give_back_for_ever() -> None:
    """Give this process's memory back after each peak."""
    memory = IdleMemory(sys.getallocatedblocks, to_the_system())
    while True:
        await trio.sleep(LOOK_S)
        memory.look()
