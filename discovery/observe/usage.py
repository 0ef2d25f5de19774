"""What the processes of a node use, as Linux counts it."""

from collections.abc import Iterable
from typing import NamedTuple

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric

from discovery.workers.reports import Life


class Usage(NamedTuple):
    """One process. None stands for what is not readable."""

    process: str
    """`control`, or `worker-<number>`."""
    cpu_s: float | None
    resident_bytes: float | None
    open_files: float | None
    started_at: float | None
    """Unix time in seconds."""


def usage_of(lives: Iterable[Life]) -> list[Usage]:
    """This process and the connected workers.

    A worker reports its own descriptors: no other process may list them, because its interpreter has a capability.
    """
    workers = [
        _of(f"worker-{life.number}", str(life.pid), life.process.state.open_files)
        for life in sorted(lives, key=lambda life: life.number)
        if life.connection is not None and life.process is not None
    ]
    return [_of("control", "self", None), *workers]


def _of(process: str, pid: str, open_files: int | None) -> Usage:
    numbers = {sample.name: sample.value for metric in _collected(pid) for sample in metric.samples}
    return Usage(
        process,
        numbers.get("process_cpu_seconds_total"),
        numbers.get("process_resident_memory_bytes"),
        numbers.get("process_open_fds") if open_files is None else open_files,
        numbers.get("process_start_time_seconds"),
    )


def _collected(pid: str) -> Iterable[Metric]:
    return ProcessCollector(pid=lambda: pid, registry=None).collect()
