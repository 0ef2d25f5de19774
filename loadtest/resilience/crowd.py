"""Ten callers beside a greedy one: `python -m loadtest fairness`. Their latencies without it and with it, in turn.

The greedy caller is wrk: each of its connections sends its next request when it has a response. The ten and their
endpoints are in front of it on their core (SCHED_FIFO): what they wait for is the node, not the generator.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtest.cluster.world import address
from loadtest.endpoints import endpoints
from loadtest.generator import closed_loop
from loadtest.machine import FIRST, GENERATOR_CORE, Commit, Machine, quiet_ports, this_commit, this_machine
from loadtest.peer import PEERS, Running, started
from loadtest.policies.hosts import NAMESPACE
from loadtest.policies.mesh import OPEN, mesh_documents
from loadtest.procstat import cpu_of
from loadtest.resilience.client import Got, Load, Stream
from loadtest.resilience.endpoints import Behaviour, Place
from loadtest.resilience.run import called, scripted
from loadtest.run import Say
from loadtest.scenarios import SCENARIOS, Scenario
from loadtest.toolbox import REPOSITORY, Toolbox

SCHEMA = 1
CALLERS, RATE = 10, 20.0  # and requests per second of each
PATIENCE_S, WARMUP_S, MEASURE_S = 2.0, 1.0, 6
FLOOD = "flood"
SLOTS = 20


@dataclass(frozen=True, slots=True)
class Situation:
    """What the greedy caller does, and the endpoint of the ten, which is its own too unless it has `flood`."""

    name: str
    title: str
    behaviour: Behaviour
    greedy: Scenario
    host: str = FLOOD
    table: Mapping[str, Any] = field(default_factory=dict)


KEPT, NEW = (replace(each, connections=64) for each in (SCENARIOS[0], SCENARIOS[2]))
FIVE_MS, TWENTY_MS = Behaviour(0.005), Behaviour(0.020)
SITUATIONS = (
    Situation("worker-64", "worker saturated, 64 connections", FIVE_MS, KEPT),
    Situation("worker-512", "worker saturated, 512 connections", FIVE_MS, replace(KEPT, connections=512)),
    Situation("worker-new", "worker saturated, a new connection for each request", FIVE_MS, NEW),
    Situation(
        "endpoint",
        f"an endpoint of {SLOTS} slots of 20 ms saturated; fairness",
        replace(TWENTY_MS, slots=SLOTS),
        KEPT,
        "endpoint",
        {"fairness": {"maxRequests": SLOTS}},
    ),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What the ten got in one round, without or with the greedy caller, and what that one got."""

    situation: str
    greedy: bool
    callers: Got
    greedy_per_s: float
    busy_ratio: float  # of the worker's core
    waited_ratio: float  # of the time, in which the worker waited for its core


@dataclass(frozen=True, slots=True)
class CrowdRecord:
    """A whole run."""

    schema: int
    date: str
    commit: Commit
    machine: Machine
    turns: tuple[Turn, ...]


def run(rounds: int, situations: tuple[Situation, ...], toolbox: Toolbox, say: Say) -> CrowdRecord:
    """Run all situations, each round without and with the greedy caller. Everything started is ended on leaving.

    Raises: BenchmarkError when something does not start, or a generator fails.
    """
    began = datetime.now(UTC).isoformat(timespec="seconds")
    machine, commit = this_machine(), this_commit(REPOSITORY)
    ports = quiet_ports(len(situations))
    places = [Place(port, each.behaviour) for port, each in zip(ports, situations, strict=True)]
    turns = []
    with tempfile.TemporaryDirectory(prefix="nodeproxy-crowd-") as name:
        folder = Path(name)
        with (
            scripted(places, folder / "endpoints.log", FIRST),
            endpoints(toolbox, folder) as behind,
            started(PEERS[0], toolbox, folder, behind, mesh_of(situations, places)) as node,
        ):
            _give_the_core_to(node)
            for _ in range(rounds):
                for turn in _round(situations, toolbox, node):
                    turns.append(turn)
                    say(_shown(turn))
    return CrowdRecord(SCHEMA, began, commit, machine, tuple(turns))


def streams() -> tuple[Stream, ...]:
    """The ten: their requests are spread evenly over time, so that they do not wait for each other."""
    return tuple(
        Stream(f"caller {number}", RATE, address(number), number / (CALLERS * RATE)) for number in range(CALLERS)
    )


def _give_the_core_to(node: Running) -> None:
    """Leave the proxy's core to the worker: before its family, and before the machine's other work.

    A saturated worker loses time to them that an idle one does not, which would look like the greedy caller's doing.
    """
    for pid in set(node.all) - set(node.worker):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {GENERATOR_CORE})
    for pid in node.worker:
        os.setpriority(os.PRIO_PROCESS, pid, -20)
        with suppress(OSError):  # a kernel without it: sched(7), the autogroup feature
            Path(f"/proc/{pid}/autogroup").write_text("-20")


def mesh_of(situations: tuple[Situation, ...], places: list[Place]) -> dict[str, str]:
    """The node's file: a service for each situation, and the one of the flood, whose endpoint is the fast backend."""
    ports: dict[str, tuple[int | str, ...]] = {FLOOD: (OPEN,)}
    ports |= {each.name: (place.port,) for each, place in zip(situations, places, strict=True)}
    documents = mesh_documents(ports, {each.name: each.table for each in situations})
    return {"crowd.yaml": documents.replace(f"'{OPEN}'", OPEN)}


def _round(situations: tuple[Situation, ...], toolbox: Toolbox, node: Running) -> Iterator[Turn]:
    for each in situations:
        load = Load(
            node.port, f"{each.name}.{NAMESPACE}.mesh", streams(), PATIENCE_S, WARMUP_S, float(MEASURE_S), pooled=True
        )
        for greedy in (False, True):
            yield _turn(each, load, greedy, toolbox, node)


def _turn(situation: Situation, load: Load, greedy: bool, toolbox: Toolbox, node: Running) -> Turn:
    before, waited_s = cpu_of(node.worker), _waited_s(node.worker)
    per_s, seconds = 0.0, WARMUP_S + MEASURE_S + PATIENCE_S
    with ThreadPoolExecutor(1) as pool:
        if greedy:
            host = f"{situation.host}.{NAMESPACE}.mesh"
            flood = pool.submit(closed_loop, toolbox, node.port, situation.greedy, round(seconds), host)
        (got,) = called(load, FIRST)
        if greedy:
            load = flood.result()
            per_s = load.requests / load.duration_s
    busy = (cpu_of(node.worker).total_s - before.total_s) / seconds
    return Turn(situation.name, greedy, got, per_s, busy, (_waited_s(node.worker) - waited_s) / seconds)


def _waited_s(pids: tuple[int, ...]) -> float:
    """How long these processes could run and something else did: the second number of schedstat, in nanoseconds."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) for pid in pids) / 1e9


def _shown(turn: Turn) -> str:
    got = turn.callers
    times = ", ".join(f"{each * 1e3:.2f}" for each in (got.p50_s, got.p99_s, got.p999_s))
    beside = f"beside {turn.greedy_per_s:,.0f}/s" if turn.greedy else "alone"
    core = f"busy {turn.busy_ratio:.0%}, waited {turn.waited_ratio:.1%}"
    return f"{turn.situation} {beside}: {got.statuses}, p50 p99 p99.9 {times} ms, {core}"
