"""The Unix socket for workers: sends the whole mesh once, then one line per changed service.

Stores one pending value per service and worker, never a queue: a worker that does not read costs no more memory than
the mesh itself, and does not delay the others. Workers send subscriptions, reports and answers: see
`nodeproxy.mesh.wire`.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic

import anyio
from anyio.abc import SocketAttribute, SocketStream, TaskStatus

from discovery.services.catalogue import Differences
from discovery.workers.lines import read, send
from discovery.workers.pending import Backlog
from discovery.workers.questions import Answered, Questions
from discovery.workers.recent_failures import RecentFailures
from discovery.workers.reports import Reports
from discovery.workers.subscriptions import Subscriptions
from discovery.workers.taps import Taps
from nodeproxy.mesh.failures import Failures
from nodeproxy.mesh.model import Caller, Service
from nodeproxy.mesh.questions import Answer, Question
from nodeproxy.mesh.samples import Samples
from nodeproxy.mesh.taps import TapLeftOut
from nodeproxy.mesh.wire import (
    FRESH_EVERY_S,
    Callers,
    PolicyMap,
    PolicyMaps,
    Replace,
    Snapshot,
    Subscribe,
    Unsubscribe,
    Upward,
    WatchCounts,
    Watched,
    Watches,
    line,
)

SOCKET_MODE = 0o600  # the table names every service of the cluster; workers run as the same user


@dataclass(frozen=True, slots=True)
class Clock:
    """The injected clock."""

    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    now: Callable[[], float] = monotonic


class Publisher:
    """The services in force, and the connected workers.

    `wanted` is called with the keys of the services that workers subscribe to; without it all are followed. `reports`
    takes what they report.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        wanted: Callable[[frozenset[str]], None] | None = None,
        reports: Reports | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self.reports = reports or Reports(now=self._clock.now)
        self._on_demand = wanted is not None
        self._subscriptions = Subscriptions(wanted or _ignored, self._clock.now)
        self._questions = Questions(self._clock.sleep)
        self._snapshots: dict[type[Snapshot], Snapshot] = {}
        self.sample_takers: list[Callable[[Samples], None]] = []
        """Called with each batch of samples, for traces. They must not wait."""
        self._restored: Replace | None = None
        self._restored_services: dict[str, Service] = {}
        self._restored_at = 0.0
        self._services: dict[str, Service] = {}
        self._workers: set[Backlog] = set()
        self.taps = Taps(self._workers)
        self.failures = RecentFailures()
        self.revision = 0
        """Grows when a service comes, goes or has other ports."""
        self._known = False
        self._in_sync = False
        self._lost_sync_at = self._clock.now()

    @property
    def workers(self) -> int:
        """The number of connected workers."""
        return len(self._workers)

    @property
    def services(self) -> Mapping[str, Service]:
        """The services in force, by key: those of the last good state until the source is in sync."""
        return self._services if self._restored is None else self._restored_services

    @property
    def restored(self) -> bool:
        """Whether the last good state is in force."""
        return self._restored is not None

    @property
    def out_of_sync_s(self) -> float:
        """How long ago the source was last in sync; 0 while it is."""
        return 0.0 if self._in_sync else self._clock.now() - self._lost_sync_at

    @property
    def on_demand(self) -> bool:
        """Whether only the endpoints of subscribed services are followed."""
        return self._on_demand

    @property
    def callers(self) -> tuple[Caller, ...]:
        """The callers as last published."""
        snapshot = self._snapshots.get(Callers)
        return snapshot.callers if isinstance(snapshot, Callers) else ()

    @property
    def policy_maps(self) -> tuple[PolicyMap, ...]:
        """The policy maps as last published."""
        snapshot = self._snapshots.get(PolicyMaps)
        return snapshot.maps if isinstance(snapshot, PolicyMaps) else ()

    @property
    def watches(self) -> tuple[Watched, ...]:
        """The watches as last published."""
        snapshot = self._snapshots.get(Watches)
        return snapshot.watches if isinstance(snapshot, Watches) else ()

    @property
    def watch_counts(self) -> tuple[WatchCounts, ...]:
        """How often each kind was listed, and how often that or its watch has failed."""
        snapshot = self._snapshots.get(Watches)
        return snapshot.counts if isinstance(snapshot, Watches) else ()

    def restore(self, last_good: Replace) -> None:
        """Publishes the last good state and its age, until the source is in sync for the first time."""
        self._restored, self._restored_at = last_good, self._clock.now()
        self._restored_services = {service.key: service for service in last_good.services}
        self.revision += 1
        for worker in self._workers:
            worker.replace_all()

    def publish_snapshot(self, snapshot: Snapshot) -> None:
        """Publishes a snapshot, unless it is unchanged."""
        if self._snapshots.get(type(snapshot)) != snapshot:
            self._snapshots[type(snapshot)] = snapshot
            for worker in self._workers:
                worker.snapshot(snapshot)

    def publish(self, differences: Differences, *, in_sync: bool) -> None:
        """Publishes `differences`.

        Nothing is sent before the source has been in sync once: an empty table would replace the one that a worker has
        from the previous discovery. `Fresh` is sent only while the source is in sync.
        """
        for key, service in differences.items():
            before = self._services.get(key)
            if service is None:
                self._services.pop(key, None)
            else:
                self._services[key] = service
            self.revision += before is None or service is None or _ports(before) != _ports(service)
            self.reports.follow(key, {port.key for port in service.ports} if service is not None else ())
        if self._in_sync and not in_sync:
            self._lost_sync_at = self._clock.now()
        self._in_sync = in_sync
        if in_sync and not self._known:
            self._known = True
            self._restored, self._restored_services = None, {}
            self.revision += 1
            for worker in self._workers:
                worker.replace_all()
        if self._known:
            for worker in self._workers:
                worker.note(differences, in_sync=in_sync)

    async def ask(self, question: Question) -> Answered:
        """Asks every connected worker; see `Questions.ask`."""
        numbers = {worker: self.reports.number_of(worker) for worker in self._workers}
        workers = {worker: number for worker, number in numbers.items() if number is not None}
        return await self._questions.ask(question, workers)

    async def serve(self, path: str, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serves workers at the Unix socket `path` until cancelled; replaces a socket left there.

        Raises:
            OSError: the socket cannot be created.
        """
        async with (
            await anyio.create_unix_listener(path, mode=SOCKET_MODE) as listener,
            anyio.create_task_group() as group,
        ):
            own = os.stat(path).st_ino
            group.start_soon(self._report_freshness)
            task_status.started()
            try:
                await listener.serve(self._attend)
            finally:
                with suppress(OSError):  # the next discovery may already listen there
                    if os.stat(path).st_ino == own:
                        os.unlink(path)

    async def _report_freshness(self) -> None:
        while True:
            await self._clock.sleep(FRESH_EVERY_S)
            self._subscriptions.expire()
            if self._in_sync:
                for worker in self._workers:
                    worker.refresh()

    async def _attend(self, stream: SocketStream) -> None:
        """Serves one worker until it disconnects."""
        worker = Backlog()
        for snapshot in self._snapshots.values():
            worker.snapshot(snapshot)
        if self._known or self._restored is not None:
            worker.replace_all()
        self._workers.add(worker)
        self.taps.connected(worker)
        try:
            async with stream, anyio.create_task_group() as group:
                own = stream.extra(SocketAttribute.raw_socket)
                group.start_soon(read, own, partial(self._note, worker), group.cancel_scope)
                with suppress(OSError):
                    while True:
                        await send(own, line(await worker.next_message(self._everything)))
                group.cancel_scope.cancel()
        finally:
            self._workers.discard(worker)
            self._subscriptions.gone(worker)
            self._questions.gone(worker)
            self.reports.gone(worker)
            self.failures.gone(worker)

    def _note(self, worker: Backlog, message: Upward) -> None:
        if isinstance(message, Subscribe | Unsubscribe):
            self._subscriptions.note(worker, message)
        elif isinstance(message, Answer):
            self._questions.note(worker, message)
        elif isinstance(message, Samples):
            self.taps.take(message.exchanges)
            for_traces = Samples(tuple(each for each in message.exchanges if not each.taps))
            for take in self.sample_takers if for_traces.exchanges else ():
                take(for_traces)
        elif isinstance(message, TapLeftOut):
            self.taps.note(worker, message)
        elif isinstance(message, Failures):
            self.failures.take(worker, message)
        else:
            self.reports.note(worker, message)

    def _everything(self) -> Replace:
        if self._restored is not None:
            age_s = self._restored.age_s + self._clock.now() - self._restored_at
            return Replace(self._restored.services, age_s, self._on_demand)
        return Replace(tuple(service for _, service in sorted(self._services.items())), on_demand=self._on_demand)


def _ports(service: Service) -> tuple[object, ...]:
    """What a list of services shows of one beside its numbers."""
    return service.virtual_address, service.unsubscribed, *((port.key, port.protocol) for port in service.ports)


def _ignored(_keys: frozenset[str]) -> None:
    """Ignores subscriptions, because everything is followed."""
