"""Which custom policy each worker is in, in memory that the supervisor reads: one number for each worker.

The number has the policy in its low bits and, above them, how often one was entered: as long as it stays the same, the
worker is in one and the same call. It is a single store, so it is never half written.
"""

import mmap

POLICY_BITS = 8
POLICIES_MOST = (1 << POLICY_BITS) - 1
_TIMES = (1 << 64 - POLICY_BITS) - 1
NOWHERE = 0


class Cell:
    """The number of one worker."""

    __slots__ = ("_entered", "_memory", "_worker")

    def __init__(self, memory: memoryview, worker: int) -> None:
        self._memory = memory
        self._worker = worker
        self._entered = 0

    def enter(self, policy: int) -> int:
        """From now on the worker is in `policy`, counted from 1, or in none (NOWHERE); returns where it was."""
        before = self._memory[self._worker] & POLICIES_MOST
        if policy:
            self._entered = (self._entered + 1) & _TIMES
            self._memory[self._worker] = self._entered << POLICY_BITS | policy
        else:
            self._memory[self._worker] = NOWHERE
        return before


class Whereabouts:
    """The numbers of all workers; made before they are forked."""

    __slots__ = ("_memory",)

    def __init__(self, workers: int = 1) -> None:
        self._memory = memoryview(mmap.mmap(-1, 8 * workers)).cast("Q")

    def cell(self, worker: int = 0) -> Cell:
        """That of one worker, which has just begun."""
        self._memory[worker] = NOWHERE
        return Cell(self._memory, worker)

    def call_of(self, worker: int) -> int:
        """The call that a worker is in, different for each one; 0 for none."""
        return self._memory[worker]


def policy_of(call: int) -> int:
    """The policy of a call, counted from 1."""
    return call & POLICIES_MOST
