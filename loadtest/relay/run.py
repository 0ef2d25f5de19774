"""One run of the relays of TCP: idle connections first, then rounds (A B C, A B C, …)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from loadtest.machine import cache_step_s, this_commit, this_machine
from loadtest.procstat import busy_cpu, cpu_of, stolen_s
from loadtest.relay.idle import IDLE, idle
from loadtest.relay.peers import TCP, Behind, Relay, all_relays, allow_open_files, versions_of
from loadtest.relay.record import Run, TcpRecord
from loadtest.relay.work import WORKS, Counted, Work, check, load_of
from loadtest.run import Say
from loadtest.toolbox import REPOSITORY, Toolbox

SCHEMA = 1
WARMUP_S = 0.2  # before a peer's first run of each work


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often."""

    rounds: int
    seconds: float  # of each run
    idle_s: float


FULL = Plan(rounds=5, seconds=1.0, idle_s=10.0)
QUICK = Plan(rounds=1, seconds=0.5, idle_s=1.0)


def run(plan: Plan, names: tuple[str, ...], works: tuple[str, ...], toolbox: Toolbox, say: Say) -> TcpRecord:
    """Measure these peers. Everything started is ended on leaving, whatever happened.

    Raises: BenchmarkError when nodeproxy cannot be measured, a peer changes bytes, or one dies on the way.
    """
    began = datetime.now(UTC).isoformat(timespec="seconds")
    machine, commit, walk = this_machine(), this_commit(REPOSITORY), toolbox.compiled("walk")
    step_s_before = cache_step_s(walk)
    allow_open_files()
    with all_relays(TCP, names, toolbox, say) as (relays, missing, behind):
        held = tuple(idle(relay, plan.idle_s, say) for relay in relays) if IDLE in works else ()
        for relay in relays:
            check(toolbox, relay, behind)
        chosen = tuple(work for work in WORKS if work.name in works)
        runs = tuple(each for work in chosen for each in _rounds(plan, relays, work, behind, toolbox, say))
        versions = versions_of(relays, toolbox)
    return TcpRecord(
        schema=SCHEMA,
        date=began,
        quick=plan == QUICK,
        commit=commit,
        machine=machine,
        cache_step_s=(step_s_before, cache_step_s(walk)),
        versions=versions,
        missing=missing,
        idle=held,
        runs=runs,
    )


def _rounds(
    plan: Plan, relays: tuple[Relay, ...], work: Work, behind: Behind, toolbox: Toolbox, say: Say
) -> Iterator[Run]:
    for relay in relays:
        load_of(toolbox, relay, work, behind, WARMUP_S)
    for number, relay in turns(plan.rounds, relays):
        seen = measured(relay, work.name, number, partial(load_of, toolbox, relay, work, behind, plan.seconds))
        per_s = (seen.counted.bytes / 2**20 if work.per_byte else seen.counted.units) / seen.counted.duration_s
        say(f"{work.name} {number}, {relay.name}: {per_s:,.0f} {'MiB' if work.per_byte else ''}/s")
        yield seen


def turns(rounds: int, relays: tuple[Relay, ...]) -> Iterator[tuple[int, Relay]]:
    """Each relay once in a round, which is numbered from 1; rounds begin with different ones."""
    for number in range(rounds):
        first = number * len(relays) // rounds
        for relay in (*relays[first:], *relays[:first]):
            yield number + 1, relay


def measured(relay: Relay, work: str, number: int, load: Callable[[], Counted]) -> Run:
    """The load, and the CPU time that passes with it."""
    worker, family, machine, stolen = cpu_of(relay.worker), cpu_of(relay.all), busy_cpu(), stolen_s()
    counted = load()
    return Run(
        peer=relay.name,
        work=work,
        round=number,
        counted=counted,
        worker_cpu=cpu_of(relay.worker) - worker,
        all_cpu=cpu_of(relay.all) - family,
        machine_cpu=busy_cpu() - machine,
        stolen_s=stolen_s() - stolen,
    )
