"""Work that grows: what a request costs and how long it waits, with more client connections, services and workers."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from loadtest.cells import table
from loadtest.endpoints import endpoints
from loadtest.generator import closed_loop, open_loop
from loadtest.machine import GENERATOR_CORE, PROXY_CORE, Commit, Machine, this_commit, this_machine
from loadtest.peer import NODEPROXY, OURS, PEERS, Peer, Running, started
from loadtest.procstat import cpu_of, pss_bytes_of
from loadtest.relay.peers import connections_most
from loadtest.run import Say, folder_in_memory
from loadtest.scenarios import SCENARIOS
from loadtest.seeing import many_services
from loadtest.toolbox import REPOSITORY, Toolbox

CONNECTIONS, SERVICES, WORKERS = (1, 100, 1000, 8000), (10, 10_000), (1, 2)
BESIDE = next(peer for peer in PEERS if peer.name == "haproxy")
SATURATED_S = 4
RATE, PACED_S = 3000.0, (1.0, 4.0)  # requests per second; warming up, and measured


@dataclass(frozen=True, slots=True)
class Grown:
    """One size of everything."""

    workers: int
    services: int
    connections: int
    requests_per_s: float
    """As fast as they are answered."""
    cpu_s: float
    """Of all workers, for each of those requests."""
    p99_s: float
    """At RATE."""
    workers_bytes: int
    """The proportional set size of all workers, after it."""
    errors: dict[str, int]
    peer: str = NODEPROXY

    @property
    def name(self) -> str:
        """Of whom, with how many services; the others have no services but one."""
        if self.peer != NODEPROXY:
            return self.peer
        return f"{self.workers} worker{'s' * (self.workers > 1)}, {self.services:,} services"


@dataclass(frozen=True, slots=True)
class GrowthRecord:
    """A whole run."""

    date: str
    commit: Commit
    machine: Machine
    sizes: tuple[Grown, ...]


def run(toolbox: Toolbox, say: Say) -> GrowthRecord:
    """Each number of connections, with each number of services, with each number of workers; and HAProxy beside it.

    Raises: BenchmarkError when nodeproxy cannot be measured.
    """
    began, commit, machine = datetime.now(UTC).isoformat(timespec="seconds"), this_commit(REPOSITORY), this_machine()
    sizes = [*_sizes(BESIDE, 1, 1, toolbox, say)]
    for workers in WORKERS:
        for services in SERVICES:
            sizes += _sizes(_with(workers), workers, services, toolbox, say)
    return GrowthRecord(began, commit, machine, tuple(sizes))


def _sizes(peer: Peer, workers: int, services: int, toolbox: Toolbox, say: Say) -> Iterator[Grown]:
    with ExitStack() as stack:
        folder = folder_in_memory("nodeproxy-growth-", stack)
        behind = stack.enter_context(endpoints(toolbox, folder))
        many = {"many.yaml": many_services(services)}
        proxy = stack.enter_context(started(peer, toolbox, folder, behind, many))
        for connections in CONNECTIONS:
            found = _measured(workers, services, min(connections, connections_most()), proxy, toolbox)
            size = replace(found, peer=peer.name)
            say(f"{size.name}, {size.connections} connections: {size.cpu_s * 1e6:.1f} us")
            yield size


def _with(workers: int) -> Peer:
    """nodeproxy with so many workers; more than one may use the generator's core too, where there are no others.

    Without virtual addresses: the listeners of 10,000 services would leave 4,928 of 20,000 open files for clients.
    """
    at = OURS.command.index("--workers") + 1
    words = (*OURS.command[:at], str(workers), *OURS.command[at + 1 :])
    cores = f"{PROXY_CORE},{GENERATOR_CORE}" if workers > 1 else f"{PROXY_CORE}"
    return replace(OURS, command=("taskset", "-c", cores, "env", "NODEPROXY_VIRTUAL_ADDRESSES=false", *words))


def _measured(workers: int, services: int, connections: int, proxy: Running, toolbox: Toolbox) -> Grown:
    scenario = replace(SCENARIOS[1], connections=connections)
    closed_loop(toolbox, proxy.port, scenario, 1)
    before = cpu_of(proxy.worker)
    fast = closed_loop(toolbox, proxy.port, scenario, SATURATED_S)
    used = cpu_of(proxy.worker) - before
    steady = open_loop(toolbox, proxy.port, scenario, RATE, PACED_S)
    errors = {name: fast.errors.get(name, 0) + steady.errors.get(name, 0) for name in {**fast.errors, **steady.errors}}
    per_s, cpu_s = fast.requests / fast.duration_s, used.total_s / fast.requests
    held = pss_bytes_of(proxy.worker)
    return Grown(workers, services, connections, per_s, cpu_s, steady.p99_s, held, errors)


def faults(record: GrowthRecord) -> tuple[str, ...]:
    """The sizes with errors."""
    return tuple(
        f"{each.name}, {each.connections} connections: {each.errors}"
        for each in record.sizes
        if any(each.errors.values())
    )


def markdown(record: GrowthRecord) -> str:
    """The table, and where it comes from."""
    head = ("", "client connections", "requests/s", "CPU µs per request", f"p99 ms at {RATE:,.0f}/s", "MiB of workers")
    rows = [
        (
            each.name,
            f"{each.connections:,}",
            f"{each.requests_per_s:,.0f}",
            f"{each.cpu_s * 1e6:.1f}",
            f"{each.p99_s * 1e3:.2f}",
            f"{each.workers_bytes / 2**20:.1f}",
        )
        for each in record.sizes
    ]
    machine, dirty = record.machine, " with local changes" if record.commit.dirty else ""
    return (
        f"{table(head, rows)}\n\n{record.date}, commit {record.commit.hash[:12]}{dirty}; one run of "
        f"{SATURATED_S} s for each line. {machine.cpu}, {machine.cores} cores, Python {machine.python}, load average "
        f"{machine.load_average} when it began. Two workers share one of their cores with the generator.\n"
    )
