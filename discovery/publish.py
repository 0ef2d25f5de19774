"""The socket that workers read: everything once, then one line per changed service, newest value per service.

Keeps one pending value per service and worker, never a queue: a worker that does not read costs no more memory
than the mesh itself, and holds up nobody else. What workers send up is read and dropped; nothing is defined yet.
"""

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from socket import socket as Socket
from time import monotonic

import anyio
from anyio.abc import SocketAttribute, SocketStream, TaskStatus
from anyio.lowlevel import checkpoint

from discovery.catalogue import Differences
from nodeproxy.mesh.model import Service
from nodeproxy.mesh.wire import FRESH_EVERY_S, Drop, Fresh, Put, Replace, Update, line

SOCKET_MODE = 0o600  # the table names every service of the cluster; workers run as the same user
UPWARD_LIMIT_BYTES = 64 * 1024  # read at once from a worker


class Publisher:
    """The services in force, and the workers that follow them."""

    def __init__(
        self, sleep: Callable[[float], Awaitable[None]] = anyio.sleep, now: Callable[[], float] = monotonic
    ) -> None:
        self._sleep = sleep
        self._now = now
        self._restored: Replace | None = None
        self._restored_at = 0.0
        self._services: dict[str, Service] = {}
        self._workers: set[_Worker] = set()
        self._known = False
        self._in_sync = False

    @property
    def workers(self) -> int:
        """How many workers are connected."""
        return len(self._workers)

    def restore(self, last_good: Replace) -> None:
        """Let workers have this, and know its age, until the source is in sync for the first time."""
        self._restored, self._restored_at = last_good, self._now()
        for worker in self._workers:
            worker.replace_all()

    def publish(self, differences: Differences, *, in_sync: bool) -> None:
        """Let workers know of `differences`.

        Nothing is sent before the source has been in sync once: an empty table would take away what a worker has
        from the discovery before. `Fresh` is sent only while it is in sync.
        """
        for key, service in differences.items():
            if service is None:
                self._services.pop(key, None)
            else:
                self._services[key] = service
        self._in_sync = in_sync
        if in_sync and not self._known:
            self._known = True
            self._restored = None
            for worker in self._workers:
                worker.replace_all()
        if self._known:
            for worker in self._workers:
                worker.note(differences, in_sync=in_sync)

    async def serve(self, path: str, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve workers at the Unix socket `path` until cancelled; a socket left there before is replaced.

        Raises:
            OSError: the socket cannot be made.
        """
        async with (
            await anyio.create_unix_listener(path, mode=SOCKET_MODE) as listener,
            anyio.create_task_group() as group,
        ):
            own = os.stat(path).st_ino
            group.start_soon(self._tell_freshness)
            task_status.started()
            try:
                await listener.serve(self._attend)
            finally:
                with suppress(OSError):  # the next discovery may stand there already
                    if os.stat(path).st_ino == own:
                        os.unlink(path)

    async def _tell_freshness(self) -> None:
        while True:
            await self._sleep(FRESH_EVERY_S)
            if self._in_sync:
                for worker in self._workers:
                    worker.refresh()

    async def _attend(self, stream: SocketStream) -> None:
        """Serve one worker until it goes."""
        worker = _Worker()
        if self._known or self._restored is not None:
            worker.replace_all()
        self._workers.add(worker)
        try:
            async with stream, anyio.create_task_group() as group:
                own = stream.extra(SocketAttribute.raw_socket)
                group.start_soon(_read_until_gone, own, group.cancel_scope)
                with suppress(OSError):
                    while True:
                        await _send(own, line(await worker.next_update(self._everything)))
                group.cancel_scope.cancel()
        finally:
            self._workers.discard(worker)

    def _everything(self) -> Replace:
        if self._restored is not None:
            return Replace(self._restored.services, self._restored.age_s + self._now() - self._restored_at)
        return Replace(tuple(service for _, service in sorted(self._services.items())))


class _Worker:
    """What one worker has not been told yet."""

    def __init__(self) -> None:
        self._told = False
        self._all = False
        self._pending: Differences = {}
        self._fresh = False
        self._something = anyio.Event()

    def replace_all(self) -> None:
        """Tell everything, whatever was told before."""
        self._all = True
        self._something.set()

    def note(self, differences: Differences, *, in_sync: bool) -> None:
        """Tell these services, unless newer values come before the worker reads."""
        self._fresh = self._fresh and in_sync
        if self._all or not self._told:
            return
        self._pending.update(differences)
        if differences:
            self._something.set()

    def refresh(self) -> None:
        """Tell that the table is fresh, once everything else is told."""
        if self._told:
            self._fresh = True
            self._something.set()

    async def next_update(self, everything: Callable[[], Replace]) -> Update:
        """What to tell next, as soon as there is something."""
        while not (self._all or self._pending or self._fresh):
            self._something = anyio.Event()
            await self._something.wait()
        if self._all:
            self._all = False
            self._told = True
            self._pending.clear()
            return everything()
        if self._pending:
            key = next(iter(self._pending))
            service = self._pending.pop(key)
            return Drop(key) if service is None else Put(service)
        self._fresh = False
        return Fresh()


# The two below wait by `anyio.wait_*`, because a receive of anyio's own stream that is cancelled just when bytes come
# leaves an InvalidStateError in the event loop (4.16): it happens whenever workers and discovery end together.


async def _send(own: Socket, text: bytes) -> None:
    """Send all of `text`, in the pace of who reads.

    Raises:
        OSError: nobody reads any more.
    """
    await checkpoint()
    rest = memoryview(text)
    while rest:
        try:
            rest = rest[own.send(rest) :]
        except BlockingIOError:
            await anyio.wait_writable(own)


async def _read_until_gone(own: Socket, scope: anyio.CancelScope) -> None:
    """Read and drop what comes up; cancel `scope` when nothing can come any more."""
    with suppress(OSError):
        while True:
            await anyio.wait_readable(own)
            with suppress(BlockingIOError):
                if not own.recv(UPWARD_LIMIT_BYTES):
                    break
    scope.cancel()
