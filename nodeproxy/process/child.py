"""A process that is started again whenever it dies, ever more slowly while it keeps dying young."""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

BACKOFF_S = 0.1  # before a child that died is started again; doubled while it dies young
BACKOFF_MAX_S = 10.0
STEADY_S = 10.0  # a child that lived so long has started well
log = logging.getLogger(__name__)


@dataclass
class Child:
    """A process that is to be running.

    `start` gives its pid, 0 when it could not be started. `pause` is called when it will not be back at once.
    """

    name: str
    start: Callable[[], int]
    pause: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    pid: int = 0
    started_at: float = 0.0
    restart_at: float = 0.0
    backoff_s: float = BACKOFF_S

    def run(self) -> None:
        """Start it, or try again later."""
        self.pid, self.started_at = self.start(), self.clock()
        if not self.pid:
            self._come_back()

    def ended(self, status: int) -> None:
        """It is gone: start it again after a wait that grows while it keeps dying young."""
        wait_s = self._come_back()
        code = os.waitstatus_to_exitcode(status)
        log.error("process ended; starting it again", extra={"child": self.name, "exit": code, "in_s": wait_s})

    def _come_back(self) -> float:
        now = self.clock()
        steady = now - self.started_at >= STEADY_S
        wait_s = 0.0 if self.backoff_s == BACKOFF_S or steady else self.backoff_s
        self.backoff_s = BACKOFF_S * 2 if steady else min(self.backoff_s * 2, BACKOFF_MAX_S)
        self.pid, self.restart_at = 0, now + wait_s
        if wait_s:
            self.pause()
        return wait_s
