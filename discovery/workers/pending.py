"""The updates, questions and taps not yet sent to one worker: the newest value per key, never a queue."""

from collections.abc import Callable

import anyio

from discovery.services.catalogue import Differences
from nodeproxy.mesh.model import Service
from nodeproxy.mesh.questions import Ask
from nodeproxy.mesh.taps import StartTap, StopTap
from nodeproxy.mesh.wire import Downward, Drop, Fresh, Put, Replace, Snapshot


class Backlog:
    """What is pending: questions and taps first, then snapshots, then the services, which refer to them."""

    def __init__(self) -> None:
        self._reported = False
        self._all = False
        self._services: dict[str, Service | None] = {}
        self._snapshots: dict[type[Snapshot], Snapshot] = {}
        self._questions: dict[int, Ask] = {}
        self._taps: dict[int, StartTap | StopTap] = {}
        self._fresh = False
        self._something = anyio.Event()

    def ask(self, question: Ask) -> None:
        """Queues a question."""
        self._questions[question.number] = question
        self._something.set()

    def withdraw(self, number: int) -> None:
        """Removes the question of this number, unless it has been sent."""
        self._questions.pop(number, None)

    def tap(self, message: StartTap | StopTap) -> None:
        """Queues the start or the end of a tap. An end cancels a start that has not been sent: neither is."""
        if isinstance(message, StopTap) and isinstance(self._taps.get(message.number), StartTap):
            del self._taps[message.number]  # taps without end would pile up before a worker that does not read
            return
        self._taps[message.number] = message
        self._something.set()

    def snapshot(self, snapshot: Snapshot) -> None:
        """Queues a snapshot; it replaces a pending one of its type."""
        self._snapshots[type(snapshot)] = snapshot
        self._something.set()

    def replace_all(self) -> None:
        """Queues all services as a full replacement of the worker's table."""
        self._all = True
        self._something.set()

    def note(self, differences: Differences, *, in_sync: bool) -> None:
        """Queues these services; they replace pending values of the same keys."""
        self._fresh = self._fresh and in_sync
        if self._all or not self._reported:
            return
        self._services.update(differences)
        if differences:
            self._something.set()

    def refresh(self) -> None:
        """Queues `Fresh`, sent after everything else."""
        if self._reported:
            self._fresh = True
            self._something.set()

    async def next_message(self, everything: Callable[[], Replace]) -> Downward:
        """The next update or question to send; waits until there is one."""
        while not (self._questions or self._taps or self._snapshots or self._all or self._services or self._fresh):
            self._something = anyio.Event()
            await self._something.wait()
        if self._questions:
            return self._questions.pop(next(iter(self._questions)))
        if self._taps:
            return self._taps.pop(next(iter(self._taps)))
        if self._snapshots:
            return self._snapshots.pop(next(iter(self._snapshots)))
        if self._all:
            self._all = False
            self._reported = True
            self._services.clear()
            return everything()
        if self._services:
            key = next(iter(self._services))
            service = self._services.pop(key)
            return Drop(key) if service is None else Put(service)
        self._fresh = False
        return Fresh()
