"""Starts the process of discovery: a fork of the supervisor, whose modules it shares.

A process of its own would import again what both need, 30 MiB of a node's memory and half a second of its start.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from nodeproxy.mesh.address import address_range
from nodeproxy.mesh.node_view import SOCKET
from nodeproxy.policies.registry import Registry
from nodeproxy.process.preflight import SOCKET_NAME
from nodeproxy.settings import Settings

if TYPE_CHECKING:
    from discovery.settings import Settings as DiscoverySettings

STDIN = 0
# Beside a worker that wants the same core, this process gets a quarter of it: requests are not to wait for reports,
# pages and taps. Only processes of the same container are meant (sched(7), group scheduling).
NICE = 5


@dataclass(frozen=True, slots=True)
class Task:
    """What discovery is to do for this node."""

    settings: Settings
    run_dir: Path
    """The directory of its sockets."""
    limits: int
    """The descriptor of the memory with the node's limits."""
    registry: Registry

    @property
    def socket(self) -> Path:
        """The Unix socket that workers connect to."""
        return self.run_dir / SOCKET_NAME

    def run(self) -> int:
        """Be discovery until stdin ends; returns the exit status."""
        from discovery.serve import run  # here: workers and supervisor do without it

        return run(self.for_discovery(), self.settings.log_format)

    def for_discovery(self) -> "DiscoverySettings":
        """The same in its own terms."""
        from discovery.services.catalogue import POLICY_MAP, Scope
        from discovery.services.places import Place
        from discovery.settings import Settings as DiscoverySettings
        from discovery.settings import server_of, source_of

        settings, source = self.settings, source_of(self.settings.discovery)
        return DiscoverySettings(
            source=source,
            socket=self.socket,
            scope=Scope(
                address_range(settings.mesh_range),
                address_range(settings.headless_range),
                POLICY_MAP,
                on_demand=settings.on_demand and not isinstance(source, Path),  # a folder is read whole anyway
                virtual_addresses=settings.virtual_addresses,
                place=Place(settings.node_name, settings.zone),
                traefik_annotations=settings.traefik_annotations,
                registry=self.registry,
            ),
            ends_with=STDIN,
            state=_path(settings.state_file),
            resolver=server_of(settings.resolver),
            metrics=server_of(settings.metrics),
            workers=settings.workers,
            control=self.run_dir / SOCKET,
            limits=self.limits,
            limit_password_file=_path(settings.limit_password_file),
            otlp_endpoint=settings.otlp_endpoint,
            otlp_headers_file=_path(settings.otlp_headers_file),
            buckets=settings.metrics_buckets,
            page=server_of(settings.page),
            page_hosts=settings.page_hosts,
            page_cluster=settings.page_cluster,
        )


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def forked(run: Callable[[], int], lifeline: int, prepare: Callable[[], None]) -> int:
    """Forks; returns the pid. The child calls `prepare`, and then `run` with `lifeline` as its stdin.

    Raises:
        OSError: lack of memory or processes.
    """
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        prepare()
        os.nice(NICE)
        os.dup2(lifeline, STDIN)
        os.close(lifeline)
        status = run()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _end(status)


def _end(status: int) -> NoReturn:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:  # also where the log's disk is full or its reader has gone: this fork would go on as a second supervisor
        os._exit(status)
