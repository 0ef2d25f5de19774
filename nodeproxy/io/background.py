"""Tasks of the worker itself, such as copies of requests: no client waits for them, and none ends them by leaving."""

from collections.abc import Callable, Coroutine
from typing import Any

from nodeproxy.io.reactor import Reactor
from nodeproxy.io.task import Task

TASKS_MOST = 256  # at once; each may hold a connection to an endpoint, and bytes that its owner bounds


class Background:
    """Runs a bounded number of tasks. They are one share: in a crowd, all of them together have the turn of one client.

    They end with the process: a drain does not wait for them.
    """

    __slots__ = ("_most", "_tasks", "reactor")

    def __init__(self, reactor: Reactor, most: int = TASKS_MOST) -> None:
        self.reactor = reactor
        self._most = most
        self._tasks: set[Task] = set()

    @property
    def active(self) -> int:
        """Tasks that have not ended."""
        return len(self._tasks)

    def has_room(self) -> bool:
        """Whether a further task may be started now."""
        return len(self._tasks) < self._most

    def start(self, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `job` from the next turn on, whatever becomes of the current task. Call it only if it `has_room`."""
        task = self.reactor.spawn(self._run(job))
        task.share = self
        self._tasks.add(task)

    def cancel(self) -> None:
        """Cancel all tasks: what they use is about to end."""
        for task in tuple(self._tasks):
            task.cancel()

    async def _run(self, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self.reactor.current
        try:
            await job()
        finally:
            self._tasks.discard(task)
