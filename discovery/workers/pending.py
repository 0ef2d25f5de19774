"""What one worker has not been told yet: the newest value of each thing, never a queue."""

from collections.abc import Callable

import anyio

from discovery.services.catalogue import Differences
from nodeproxy.mesh.model import Service
from nodeproxy.mesh.wire import Drop, Fresh, Put, Replace, Snapshot, Update


class Backlog:
    """Snapshots go before services, so that who reads a table knows what belongs to it."""

    def __init__(self) -> None:
        self._reported = False
        self._all = False
        self._services: dict[str, Service | None] = {}
        self._snapshots: dict[type[Snapshot], Snapshot] = {}
        self._fresh = False
        self._something = anyio.Event()

    def snapshot(self, snapshot: Snapshot) -> None:
        """Report this, unless a newer one of its type comes before the worker reads."""
        self._snapshots[type(snapshot)] = snapshot
        self._something.set()

    def replace_all(self) -> None:
        """Report all services, whatever was told before."""
        self._all = True
        self._something.set()

    def note(self, differences: Differences, *, in_sync: bool) -> None:
        """Report these services, unless newer values come before the worker reads."""
        self._fresh = self._fresh and in_sync
        if self._all or not self._reported:
            return
        self._services.update(differences)
        if differences:
            self._something.set()

    def refresh(self) -> None:
        """Report that the table is fresh, once everything else is told."""
        if self._reported:
            self._fresh = True
            self._something.set()

    async def next_update(self, everything: Callable[[], Replace]) -> Update:
        """What to tell next, as soon as there is something."""
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
