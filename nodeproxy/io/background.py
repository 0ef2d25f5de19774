"""Tasks of the worker itself, such as copies of requests: no client waits for them, and none ends them by leaving."""

from collections.abc import Coroutine
from typing import Any

from nodeproxy.io.reactor import Reactor

TASKS_MOST = 256  # at once; each may hold a connection to an endpoint, and bytes that its owner bounds


class Background:
    """Runs a bounded number of tasks. They are one share: in a crowd, all of them together have the turn of one client.

    They end with the process: a drain does not wait for them.
    """

    __slots__ = ("_most", "active", "reactor")

    def __init__(self, reactor: Reactor, most: int = TASKS_MOST) -> None:
        self.active = 0
        """Tasks that have not ended."""
        self.reactor = reactor
        self._most = most

    @property
    def full(self) -> bool:
        """Whether no further task may be started now."""
        return self.active >= self._most

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run `coroutine` from the next turn on, whatever becomes of the current task. Call it only if not `full`."""
        self.active += 1
        self.reactor.spawn(self._run(coroutine)).share = self

    async def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await coroutine
        finally:
            self.active -= 1
