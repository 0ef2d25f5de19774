"""Finds workers that do not leave a call of a custom policy: it loops for ever, or blocks the whole worker.

Only time that the worker has had counts: CPU that it has used, and time that it slept. A worker that waits for a core,
for its memory to be read back or for a debugger is not stuck, however loaded the machine is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import sysconf
from pathlib import Path
from typing import NamedTuple

from nodeproxy.telemetry.whereabouts import Whereabouts, policy_of

LOOKS = 4  # within the limit
LOOK_MOST_S = 1.0
ASLEEP = "S"  # proc(5): in an interruptible sleep
_TICKS = sysconf("SC_CLK_TCK")


class Use(NamedTuple):
    """What a process has had so far."""

    cpu_s: float
    asleep: bool


class Stuck(NamedTuple):
    """A worker that has been in one call for too long."""

    worker: int
    pid: int
    policy: str
    held_s: float


@dataclass(slots=True)
class _Seen:
    pid: int
    call: int
    use: Use
    at: float
    held_s: float = 0.0


class StuckWorkers:
    """Looks at all workers; `limit_s` is how long one call may hold a worker up."""

    def __init__(
        self,
        whereabouts: Whereabouts,
        policies: Sequence[str],
        limit_s: float,
        clock: Callable[[], float],
        use_of: Callable[[int], Use | None] | None = None,
    ) -> None:
        self.every_s = min(LOOK_MOST_S, limit_s / LOOKS)
        """How often to look."""
        self._whereabouts = whereabouts
        self._policies = tuple(policies)
        self._limit_s = limit_s
        self._clock = clock
        self._use_of = use_of or use_of_process
        self._seen: dict[int, _Seen] = {}

    def look(self, workers: Mapping[int, int]) -> list[Stuck]:
        """The stuck ones of these workers, given as number and pid."""
        found = []
        for worker, pid in workers.items():
            call = self._whereabouts.call_of(worker)
            use = self._use_of(pid) if call else None
            if use is None:
                self._seen.pop(worker, None)
                continue
            seen = self._seen.get(worker)
            if seen is None or (seen.pid, seen.call) != (pid, call):
                self._seen[worker] = _Seen(pid, call, use, self._clock())
                continue
            self._add(seen, use)
            if seen.held_s >= self._limit_s:
                del self._seen[worker]
                found.append(Stuck(worker, pid, self._policies[policy_of(call) - 1], seen.held_s))
        return found

    def _add(self, seen: _Seen, use: Use) -> None:
        now = self._clock()
        asleep_s = min(now - seen.at, self.every_s) if use.asleep and seen.use.asleep else 0.0
        seen.held_s += max(use.cpu_s - seen.use.cpu_s, asleep_s)
        seen.use, seen.at = use, now


def use_of_process(pid: int) -> Use | None:
    """What this process has had, None if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return Use((int(fields[11]) + int(fields[12])) / _TICKS, fields[0] == ASLEEP)
