"""What a run of the relays leaves behind: the raw numbers of each round, and where they come from."""

from dataclasses import dataclass

from loadtest.machine import Commit, Machine
from loadtest.procstat import Cpu
from loadtest.record import Missing
from loadtest.relay.work import Counted


@dataclass(frozen=True, slots=True)
class Run:
    """One peer with one kind of work, once. `machine_cpu` is that of all processes and of the kernel."""

    peer: str
    work: str
    round: int
    counted: Counted
    worker_cpu: Cpu
    all_cpu: Cpu
    machine_cpu: Cpu
    stolen_s: float  # of all cores, by the hypervisor


@dataclass(frozen=True, slots=True)
class Idle:
    """Idle connections of one peer. Sizes are what they add: proportional set size, and objects of the kernel.

    Those of the kernel are of both ends of each connection, with client and server.
    """

    peer: str
    connections: int
    idle_s: float
    worker_bytes: int
    worker_used_bytes: int  # after a round trip on each
    all_used_bytes: int
    kernel_bytes: int
    worker_cpu_s: float  # of idle_s, in which nothing is sent
    all_cpu_s: float


@dataclass(frozen=True, slots=True)
class TcpRecord:
    """A whole run."""

    schema: int
    date: str
    quick: bool
    commit: Commit
    machine: Machine
    cache_step_s: tuple[float, float]  # before and after the run: see walk.c
    versions: dict[str, str]
    missing: tuple[Missing, ...]
    idle: tuple[Idle, ...]
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Sessions:
    """Resident set of a peer's workers around a run in which each query is a session, in bytes."""

    peer: str
    round: int
    before_bytes: int
    peak_bytes: int
    after_bytes: int  # some seconds later


@dataclass(frozen=True, slots=True)
class UdpRecord:
    """A whole run."""

    schema: int
    date: str
    quick: bool
    queries: int
    commit: Commit
    machine: Machine
    versions: dict[str, str]
    missing: tuple[Missing, ...]
    runs: tuple[Run, ...]
    sessions: tuple[Sessions, ...]


def faults(runs: tuple[Run, ...]) -> tuple[str, ...]:
    """A sentence for each run in which something was lost, failed or changed."""
    return tuple(
        f"{run.peer}, {run.work}, round {run.round}: "
        + ", ".join(f"{count} x {kind}" for kind, count in run.counted.errors.items() if count)
        for run in runs
        if any(run.counted.errors.values())
    )
