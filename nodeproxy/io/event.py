"""Waiting for another task instead of a socket."""

from nodeproxy.io.calls import park
from nodeproxy.io.reactor import Reactor
from nodeproxy.io.task import Task


class Event:
    """Something that happens once; tasks wait for it."""

    __slots__ = ("_reactor", "_waiting", "happened")

    def __init__(self, reactor: Reactor) -> None:
        self.happened = False
        self._reactor = reactor
        self._waiting: list[Task] = []

    def set(self) -> None:
        """Mark it as happened and wake all waiting tasks in the next turn. May be called from the trio lane."""
        self.happened = True
        for task in self._waiting:
            self._reactor.wake(task)
        self._waiting.clear()

    async def wait(self) -> None:
        """Wait until it has happened; returns at once if it has."""
        while not self.happened:
            self._waiting.append(self._reactor.current)
            await park()
