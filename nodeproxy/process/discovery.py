"""Starts the process of discovery: a fork of the supervisor, whose modules it shares, that runs another command line.

A process of its own would import again what both need, 30 MiB of a node's memory and half a second of its start.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from nodeproxy.settings import Settings

STDIN = 0
# Beside a worker that wants the same core, this process gets a quarter of it: requests are not to wait for reports,
# pages and taps. Only processes of the same container are meant (sched(7), group scheduling).
NICE = 5


def arguments(settings: Settings, socket: Path, control: Path, limits: int) -> list[str]:
    """The command line of `python -m discovery`; `limits` is the descriptor of the memory with the node's limits."""
    return [
        "serve", "--source", settings.discovery, "--socket", str(socket),
        "--mesh-range", settings.mesh_range, "--headless-range", settings.headless_range,
        "--log-format", settings.log_format, "--until-eof",
        "--metrics", settings.metrics, "--workers", str(settings.workers), "--control", str(control),
        "--limits", str(limits),
        *(["--limit-password-file", settings.limit_password_file] if settings.limit_password_file else []),
        *(["--otlp-endpoint", settings.otlp_endpoint] if settings.otlp_endpoint else []),
        *(["--otlp-headers-file", settings.otlp_headers_file] if settings.otlp_headers_file else []),
        *(["--state", settings.state_file] if settings.state_file else []),
        *(["--node", settings.node_name] if settings.node_name else []),
        *(["--on-demand"] if settings.on_demand else []),
        *([] if settings.virtual_addresses else ["--no-virtual-addresses"]),
        "--buckets", settings.metrics_buckets,
        *(["--page", settings.page] if settings.page else []),
        *(["--page-hosts", ",".join(settings.page_hosts)] if settings.page_hosts else []),
        *(["--page-cluster"] if settings.page_cluster else []),
        *(["--resolver", settings.resolver] if settings.resolver else []),
        *(["--zone", settings.zone] if settings.zone else []),
        *([] if settings.traefik_annotations else ["--no-traefik-annotations"]),
        *(["--own-policies", ",".join(settings.own_policies)] if settings.own_policies else []),
    ]  # fmt: skip


def forked(arguments: list[str], lifeline: int, prepare: Callable[[], None]) -> int:
    """Forks; returns the pid. The child calls `prepare` and runs discovery until its stdin, `lifeline`, ends.

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
        from discovery.__main__ import app  # here: workers and supervisor do without it

        app(args=arguments, prog_name="python -m discovery")
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
