"""One run: all peers started, then measured in rounds (A B C, A B C, …), because the machine's speed drifts."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TypeVar

from loadtest.endpoints import endpoints
from loadtest.errors import BenchmarkError, NotInstalledError, NotStartedError
from loadtest.generator import ask_once, idle_connections, open_loop, settle
from loadtest.machine import cache_step_s, this_commit, this_machine, version_of
from loadtest.peer import (
    GRPC_HOST,
    HTTP2_HOST,
    NO_PROXY,
    NODEPROXY,
    PEERS,
    Endpoints,
    Peer,
    Running,
    program_of,
    rendered,
    started,
)
from loadtest.procstat import cpu_of, pss_bytes_of, stolen_s
from loadtest.record import Memory, Missing, Paced, Record, Saturated
from loadtest.scenarios import EVERY, IDLE_CONNECTIONS, MEMORY, SCENARIOS, Scenario
from loadtest.streams import able, loop_of
from loadtest.toolbox import REPOSITORY, Toolbox

SCHEMA = 1
RATE_RATIO = 0.5  # of what the slowest peer can answer: all are loaded, none is overloaded
GENERATORS = {"wrk": "-v", "h2load": "--version"}
"""The programs that generate load, and what makes them print their version; grpcio's is pinned in `toolbox.py`."""
SHARED_MEMORY = Path("/dev/shm")

Say = Callable[[str], None]
Started = TypeVar("Started")


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often."""

    rounds: int
    saturated_s: int
    warmup_s: int  # before a peer's first saturated run of a scenario
    paced_s: tuple[float, float]  # warming up, measuring


FULL = Plan(rounds=5, saturated_s=2, warmup_s=1, paced_s=(0.3, 2.0))
QUICK = Plan(rounds=1, saturated_s=1, warmup_s=1, paced_s=(0.3, 1.0))


@dataclass(frozen=True, slots=True)
class Choice:
    """What to measure: names of peers and of scenarios."""

    peers: tuple[str, ...]
    scenarios: tuple[str, ...]


def run(plan: Plan, choice: Choice, toolbox: Toolbox, say: Say) -> Record:
    """Measure what was chosen. Everything started is ended on leaving, whatever happened.

    Raises: BenchmarkError when nodeproxy itself cannot be measured, or a peer dies on the way.
    """
    began = datetime.now(UTC).isoformat(timespec="seconds")
    machine, commit, walk = this_machine(), this_commit(REPOSITORY), toolbox.compiled("walk")
    step_s_before = cache_step_s(walk)
    scenarios = tuple(each for each in EVERY if each.name in choice.scenarios)
    protocols = frozenset(each.protocol for each in scenarios)
    chosen = tuple(peer for peer in PEERS if peer.name in choice.peers)
    with all_started(chosen, toolbox, say, protocols=protocols) as (peers, missing, behind):
        peers += (_no_proxy(behind),) if NO_PROXY in choice.peers else ()
        memory = tuple(_memory(peer, say) for peer in peers if peer.all) if MEMORY in choice.scenarios else ()
        saturated: tuple[Saturated, ...] = ()
        for scenario in scenarios:
            these, silent = able(peers, scenario, toolbox)
            missing += silent
            saturated += tuple(saturate(plan, these, (scenario,), toolbox, say))
        paced = tuple(_paced(plan, peers, _rates(scenarios, saturated), toolbox, say))
    return Record(
        schema=SCHEMA,
        date=began,
        quick=plan == QUICK,
        commit=commit,
        machine=machine,
        cache_step_s=(step_s_before, cache_step_s(walk)),
        versions=versions(tuple(peer.name for peer in peers), toolbox),
        missing=missing,
        memory=memory,
        saturated=saturated,
        paced=paced,
    )


def folder_in_memory(prefix: str, stack: ExitStack) -> Path:
    """An empty folder, removed with `stack`: in memory where there is any, so that no log waits for a disk."""
    within = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix, dir=within)))


def begun(
    name: str, starting: AbstractContextManager[Started], stack: ExitStack, missing: list[Missing], say: Say
) -> list[Started]:
    """The peer of this name, which ends with `stack`; none, which is noted in `missing`, if it could not be started.

    Raises BenchmarkError when it is nodeproxy: without it there is nothing to compare.
    """
    try:
        peer = stack.enter_context(starting)
    except (NotInstalledError, NotStartedError) as error:
        if name == NODEPROXY:
            raise BenchmarkError(f"nodeproxy: {error}") from error
        missing.append(Missing(name, str(error)))
        say(f"{name} IS NOT MEASURED: {error}")
        return []
    say(f"{name} answers")
    return [peer]


@contextmanager
def all_started(
    chosen: tuple[Peer, ...],
    toolbox: Toolbox,
    say: Say,
    more: Mapping[str, Mapping[str, str]] | None = None,
    protocols: frozenset[str] = frozenset(),
) -> Iterator[tuple[tuple[Running, ...], tuple[Missing, ...], Endpoints]]:
    """All peers at once: an idle one costs its neighbours nothing that can be measured, restarts would.

    The values are those that answer, those that do not, and the endpoints. `more` are further files of
    peers, by name.
    """
    peers: list[Running] = []
    missing: list[Missing] = []
    with ExitStack() as stack:
        folder = folder_in_memory("nodeproxy-bench-", stack)
        behind = stack.enter_context(endpoints(toolbox, folder, protocols))
        for peer in chosen:
            files = (more or {}).get(peer.name)
            peers += begun(peer.name, started(peer, toolbox, folder, behind, files), stack, missing, say)
        yield tuple(peers), tuple(missing), behind


def _no_proxy(behind: Endpoints) -> Running:
    return Running(NO_PROXY, behind.http1, http2_ports={HTTP2_HOST: behind.http2, GRPC_HOST: behind.grpc})


def _memory(peer: Running, say: Say) -> Memory:
    """Taken before any load, so that no buffer of another scenario counts."""
    sizes: list[int] = []

    def weigh() -> None:
        settle()
        sizes.extend((pss_bytes_of(peer.worker), pss_bytes_of(peer.all)))

    weigh()
    with idle_connections(peer.port, IDLE_CONNECTIONS) as connections:
        weigh()
        ask_once(connections, SCENARIOS[0])
        weigh()
    say(f"memory, {peer.name}: {sizes[0] / 2**20:.1f} MiB idle")
    return Memory(peer.name, IDLE_CONNECTIONS, *sizes[0::2], *sizes[1::2])


def saturate(
    plan: Plan, peers: tuple[Running, ...], scenarios: tuple[Scenario, ...], toolbox: Toolbox, say: Say
) -> Iterator[Saturated]:
    """Closed loops, round by round, each peer once in a round; each round begins with a different one."""
    for scenario in scenarios:
        for number in range(plan.rounds):
            first = number * len(peers) // plan.rounds
            for peer in (*peers[first:], *peers[:first]):
                if number == 0:
                    loop_of(toolbox, peer, scenario, plan.warmup_s)
                worker, family, stolen = cpu_of(peer.worker), cpu_of(peer.all), stolen_s()
                seen = loop_of(toolbox, peer, scenario, plan.saturated_s * scenario.stretch)
                worker, family = cpu_of(peer.worker) - worker, cpu_of(peer.all) - family
                say(f"{scenario.name} {number + 1}, {peer.name}: {seen.requests / seen.duration_s:.0f} requests/s")
                yield Saturated(
                    peer=peer.name,
                    scenario=scenario.name,
                    round=number + 1,
                    duration_s=seen.duration_s,
                    requests=seen.requests,
                    received_bytes=seen.received_bytes,
                    p50_s=seen.p50_s,
                    p99_s=seen.p99_s,
                    worker_cpu=worker,
                    all_cpu=family,
                    stolen_s=stolen_s() - stolen,
                    errors=seen.errors,
                )


def _rates(scenarios: tuple[Scenario, ...], saturated: tuple[Saturated, ...]) -> dict[Scenario, float]:
    """The rate of each paced scenario: a share of the slowest peer's median."""
    return {scenario: sustainable_rate(scenario.name, saturated) for scenario in scenarios if scenario.paced}


def sustainable_rate(scenario: str, saturated: tuple[Saturated, ...]) -> float:
    """Requests per second that every peer of these runs answers with half its core."""
    per_peer: dict[str, list[float]] = {}
    for each in saturated:
        if each.scenario == scenario:
            per_peer.setdefault(each.peer, []).append(each.requests / each.duration_s)
    return RATE_RATIO * min(median(rates) for rates in per_peer.values())


def _paced(
    plan: Plan, peers: tuple[Running, ...], rates: dict[Scenario, float], toolbox: Toolbox, say: Say
) -> Iterator[Paced]:
    for scenario, rate in rates.items():
        for number in range(plan.rounds):
            for peer in peers:
                stolen = stolen_s()
                seen = open_loop(toolbox, peer.port, scenario, rate, plan.paced_s)
                say(f"{scenario.name} at {rate:.0f}/s {number + 1}, {peer.name}: p99 {seen.p99_s * 1e3:.2f} ms")
                yield Paced(
                    peer=peer.name,
                    scenario=scenario.name,
                    round=number + 1,
                    rate=rate,
                    requests=seen.requests,
                    p50_s=seen.p50_s,
                    p99_s=seen.p99_s,
                    p999_s=seen.p999_s,
                    largest_s=seen.largest_s,
                    stolen_s=stolen_s() - stolen,
                    errors=seen.errors,
                )


def versions(names: tuple[str, ...], toolbox: Toolbox) -> dict[str, str]:
    """The versions of the generators and of the peers with these names."""
    versions = {name: version_of((toolbox.find(name), option)) for name, option in GENERATORS.items()}
    for peer in (each for each in PEERS if each.name in names):
        values = {"program": program_of(peer, toolbox)}
        versions[peer.name] = version_of(tuple(rendered(word, values) for word in peer.version))
    return versions
