"""The last good state on disk, served after a start until the source is in sync.

The file's modification time is the time of its last confirmation. It is replaced atomically (temporary file, rename),
at most once a second. A disk that fails costs only the file, never the mesh.
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

from discovery.log import log_event
from nodeproxy.mesh.model import Service
from nodeproxy.mesh.wire import Replace, line, parse

EVERY_S = 1.0
TOUCH_AFTER = 30  # rounds without a change until the file is confirmed: the precision of its age
MODE = 0o600  # as for the socket: the table names every service of the cluster


class LastGood:
    """One file. `note` stores the state in force; `run` writes it to disk while it runs."""

    def __init__(self, path: Path, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._path = path
        self._sleep = sleep
        self._services: Sequence[Service] | None = None
        self._confirmed = False
        self._quiet = 0
        self._reported = ""

    def load(self) -> Replace | None:
        """The last good state and its age; None if there is no readable file."""
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
        log_event("last good state", services=len(update.services), age_s=round(time() - saved_at))
        return Replace(tuple(map(_with_transports, update.services)), age_s=max(0.0, time() - saved_at))

    def note(self, services: Sequence[Service] | None, *, in_sync: bool) -> None:
        """Notes the state in force, None if unchanged; it is written once the source confirms it."""
        self._confirmed = in_sync
        if services is not None:
            self._services = services

    async def run(self) -> None:
        """Writes the noted states, until cancelled."""
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
        """Logs an error once while it stays the same."""
        if self._reported != str(error):
            self._reported = str(error)
            log_event(event, logging.WARNING, file=self._path, reason=error)


def _with_transports(service: Service) -> Service:
    """`service` in today's form: a file of version 0.1 has UDP as protocol, and no transports.

    It also has `http` for ports that would be detected today. They are served as they were until the source is in sync,
    which decides anew.
    """
    ports = tuple(replace(port, transport="udp") if port.protocol == "udp" else port for port in service.ports)
    return replace(service, ports=ports) if ports != service.ports else service
