"""What a run leaves behind: the raw numbers of each round, and where they come from. Nothing derived."""

from dataclasses import dataclass

from loadtest.machine import Commit, Machine
from loadtest.procstat import Cpu


@dataclass(frozen=True, slots=True)
class Saturated:
    """One closed-loop run: as many requests as the peer can answer. `errors` counts by kind."""

    peer: str
    scenario: str
    round: int
    duration_s: float
    requests: int
    received_bytes: int
    p50_s: float | None  # where the generator counts none: HTTP/2
    p99_s: float | None
    worker_cpu: Cpu
    all_cpu: Cpu
    stolen_s: float  # of all cores, by the hypervisor: a round with much of it was disturbed
    errors: dict[str, int]


@dataclass(frozen=True, slots=True)
class Paced:
    """One open-loop run at a fixed rate; latencies count from when each request was due."""

    peer: str
    scenario: str
    round: int
    rate: float  # requests per second
    requests: int
    p50_s: float
    p99_s: float
    p999_s: float
    largest_s: float
    stolen_s: float
    errors: dict[str, int]


@dataclass(frozen=True, slots=True)
class Memory:
    """Proportional set size of the workers and of the whole family: idle, connected, and after one request each."""

    peer: str
    connections: int
    worker_idle_bytes: int
    worker_connected_bytes: int
    worker_used_bytes: int
    all_idle_bytes: int
    all_connected_bytes: int
    all_used_bytes: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A peer that was asked for and not measured."""

    peer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """A whole run."""

    schema: int
    date: str
    quick: bool
    commit: Commit
    machine: Machine
    cache_step_s: tuple[float, float]  # before and after the run: see walk.c
    versions: dict[str, str]
    missing: tuple[Missing, ...]
    memory: tuple[Memory, ...]
    saturated: tuple[Saturated, ...]
    paced: tuple[Paced, ...]


def faults(record: Record) -> tuple[str, ...]:
    """A sentence for each measured run in which a request was not answered as it should be."""
    runs: tuple[Saturated | Paced, ...] = (*record.saturated, *record.paced)
    return tuple(
        f"{run.peer}, {run.scenario}, round {run.round}: {run.requests} requests, but "
        + ", ".join(f"{count} x {kind}" for kind, count in run.errors.items() if count)
        for run in runs
        if any(run.errors.values())
    )
