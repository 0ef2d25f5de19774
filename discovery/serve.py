"""The running process: the one place where source, catalogue and publisher are made and joined."""

import logging
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import TaskStatus

from discovery.catalogue import Catalogue, Scope
from discovery.files import Files
from discovery.folder import Folder
from discovery.log import ProblemLog, tell
from discovery.publish import Publisher
from discovery.source import Batch, Source
from nodeproxy.mesh.wire import size_of

EOF_READ_BYTES = 4096  # stdin is read only to notice its end


@dataclass(frozen=True, slots=True)
class Settings:
    """What one discovery process serves, and where."""

    folder: Path
    socket: Path
    scope: Scope
    until_eof: bool = False


async def serve(settings: Settings) -> int:
    """Serve until SIGTERM, SIGINT or, if asked for, the end of stdin; gives the exit status."""
    publisher = Publisher()
    source: Source = Files(Folder(settings.folder, settings.scope.policy_map), str(settings.folder))
    intake = Intake(Catalogue(settings.scope), publisher)
    async with anyio.create_task_group() as group:
        await group.start(_end_on_signal, group.cancel_scope)
        if settings.until_eof:
            group.start_soon(_end_at_eof, group.cancel_scope)
        try:
            await group.start(publisher.serve, str(settings.socket))
        except OSError as error:
            tell("not serving", logging.ERROR, socket=settings.socket, reason=error.strerror or str(error))
            group.cancel_scope.cancel()
            return 1
        tell("serving", socket=settings.socket, folder=settings.folder)
        group.start_soon(source.run, intake.take)
    tell("ended")
    return 0


class Intake:
    """What every batch of a source goes through: catalogue, publisher, log."""

    def __init__(self, catalogue: Catalogue, publisher: Publisher) -> None:
        self._catalogue = catalogue
        self._publisher = publisher
        self._problems = ProblemLog()

    def take(self, batch: Batch) -> None:
        """Take one batch."""
        differences = self._catalogue.apply(batch)
        self._publisher.publish(differences, in_sync=batch.in_sync)
        self._problems.show(self._catalogue.problems())
        if differences:
            services = self._catalogue.services
            gone = sum(service is None for service in differences.values())
            endpoints = size_of(list(services.values()))
            tell("mesh", put=len(differences) - gone, gone=gone, services=len(services), endpoints=endpoints)


async def _end_on_signal(
    scope: anyio.CancelScope, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:
        task_status.started()
        async for number in received:
            tell("ending", signal=signal.Signals(number).name)
            scope.cancel()
            return


async def _end_at_eof(scope: anyio.CancelScope) -> None:
    """End when the parent does: it holds the other end of our stdin, and nobody else."""
    stdin = sys.stdin.fileno()
    while True:
        with suppress(PermissionError):  # a file or /dev/null cannot be waited for, it is always readable
            await anyio.wait_readable(stdin)
        if not os.read(stdin, EOF_READ_BYTES):
            tell("ending", reason="stdin has ended")
            scope.cancel()
            return
