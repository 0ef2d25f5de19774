"""The mesh as it last was in force, on disk: served on a start when the source is not there yet.

The file's own time says when it was last confirmed. It is replaced whole (written beside, renamed), at most once a
second; a disk that is full or gone costs the file, never the mesh.
"""

import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import time

import msgspec
from anyio import to_thread
from msgspec.structs import replace

from discovery.log import tell
from nodeproxy.mesh.model import Service
from nodeproxy.mesh.wire import Replace, line, parse

EVERY_S = 1.0
TOUCH_AFTER = 30  # rounds without a change, until the file is confirmed: how precise its age is
MODE = 0o600  # as the socket: the table names every service of the cluster


class LastGood:
    """One file. `note` what is in force; `keep` writes it while it runs."""

    def __init__(self, path: Path, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._path = path
        self._sleep = sleep
        self._services: Sequence[Service] | None = None
        self._confirmed = False
        self._quiet = 0
        self._reported = ""

    def load(self) -> Replace | None:
        """What was in force, and how old that is; None when there is no file, or none that can be read."""
        try:
            saved_at, text = self._path.stat().st_mtime, self._path.read_bytes()
            update = parse(text)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            self._report("last good state not read", error)
            return None
        if not isinstance(update, Replace):
            return None
        tell("last good state", services=len(update.services), age_s=round(time() - saved_at))
        return Replace(tuple(map(_with_transports, update.services)), age_s=max(0.0, time() - saved_at))

    def note(self, services: Sequence[Service] | None, *, in_sync: bool) -> None:
        """What is in force now, None when that has not changed; it is kept once the source confirms it."""
        self._confirmed = in_sync
        if services is not None:
            self._services = services

    async def keep(self) -> None:
        """Write what has been noted, for good."""
        while True:
            await self._sleep(EVERY_S)
            if self._confirmed:
                services, self._services = self._services, None
                try:
                    await to_thread.run_sync(self._write, services)
                except OSError as error:
                    self._services = self._services or services  # for the next time
                    self._report("last good state not written", error)
                else:
                    self._reported = ""

    def _write(self, services: Sequence[Service] | None) -> None:
        if services is None:
            self._quiet += 1
            if self._quiet % TOUCH_AFTER == 0:
                with suppress(FileNotFoundError):
                    os.utime(self._path)
            return
        self._quiet = 0
        beside = self._path.with_name(self._path.name + ".new")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE), "wb") as file:
            file.write(line(Replace(tuple(services))))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)

    def _report(self, event: str, error: Exception) -> None:
        """Once for as long as it is the same."""
        if self._reported != str(error):
            self._reported = str(error)
            tell(event, logging.WARNING, file=self._path, reason=error)


def _with_transports(service: Service) -> Service:
    """`service` as it is written now: a file of 0.1 names UDP as what a port speaks, and has no transports."""
    ports = tuple(replace(port, transport="udp") if port.protocol == "udp" else port for port in service.ports)
    return replace(service, ports=ports) if ports != service.ports else service
