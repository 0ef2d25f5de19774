"""A child process that is restarted when it exits, with exponential backoff while it exits early."""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

BACKOFF_S = 0.1  # wait before a restart; doubled while the child exits before STEADY_S
BACKOFF_MAX_S = 10.0
STEADY_S = 10.0  # a child that ran for this time resets the backoff
log = logging.getLogger(__name__)


@dataclass
class Child:
    """A process that should be running.

    `start` returns its pid, or 0 if it failed to start. `pause` is called when the restart is delayed.
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
        """Start the process; if that fails, schedule another attempt."""
        self.pid, self.started_at = self.start(), self.clock()
        if not self.pid:
            self._come_back()

    def ended(self, status: int) -> None:
        """Schedule a restart: the process exited with this wait status."""
        wait_s = self._come_back()
        code = os.waitstatus_to_exitcode(status)
        log.error("process exited; restarting", extra={"child": self.name, "exit": code, "in_s": wait_s})

    def _come_back(self) -> float:
        now = self.clock()
        steady = now - self.started_at >= STEADY_S
        wait_s = 0.0 if self.backoff_s == BACKOFF_S or steady else self.backoff_s
        self.backoff_s = BACKOFF_S * 2 if steady else min(self.backoff_s * 2, BACKOFF_MAX_S)
        self.pid, self.restart_at = 0, now + wait_s
        if wait_s:
            self.pause()
        return wait_s
