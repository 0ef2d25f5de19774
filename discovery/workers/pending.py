"""The updates not yet sent to one worker: the newest value per key, never a queue."""

from collections.abc import Callable

import anyio

from discovery.services.catalogue import Differences
from nodeproxy.mesh.model import Service
from nodeproxy.mesh.wire import Drop, Fresh, Put, Replace, Snapshot, Update


class Backlog:
    """The pending updates; snapshots are sent before services, which refer to them."""

    def __init__(self) -> None:
        self._reported = False
        self._all = False
        self._services: dict[str, Service | None] = {}
        self._snapshots: dict[type[Snapshot], Snapshot] = {}
        self._fresh = False
        self._something = anyio.Event()

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

    async def next_update(self, everything: Callable[[], Replace]) -> Update:
        """The next update to send; waits until there is one."""
        while not (self._snapshots or self._all or self._services or self._fresh):
            self._something = anyio.Event()
            await self._something.wait()
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
