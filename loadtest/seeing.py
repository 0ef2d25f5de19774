"""What an operator who looks costs the requests: a fixed rate without, and with `tap` and `top` beside it, in turn."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import msgspec

from loadtest.endpoints import endpoints
from loadtest.errors import BenchmarkError
from loadtest.generator import open_loop
from loadtest.machine import GENERATOR_CORE, Commit, Machine, this_commit, this_machine
from loadtest.peer import PEERS, Running, started
from loadtest.process import last_lines, running
from loadtest.procstat import cpu_of, stolen_s
from loadtest.run import Say, folder_in_memory
from loadtest.scenarios import SCENARIOS
from loadtest.toolbox import REPOSITORY, Toolbox

SERVICE = "echo.bench"
WARMUP_S = 0.5
START_S = 10.0  # of a command, which has to import, ask and be answered
NOTHING = "nothing"
WATCHED = {
    NOTHING: (),
    "top": (("top", "--json"),),
    "tap": (("tap", SERVICE, "--json"),),
    "tap --status 5xx": (("tap", SERVICE, "--status", "5xx", "--json"),),
    "tap and top": (("tap", SERVICE, "--json"), ("top", "--json")),
}
"""What runs beside the load. A tap by status has to record every request; a plain one records what it shows."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One stretch of load."""

    watched: str
    round: int
    requests: int
    p50_s: float
    p99_s: float
    worker_cpu_s: float
    """Of the worker, per request, warming up included."""
    stolen_s: float
    errors: dict[str, int]


@dataclass(frozen=True, slots=True)
class SeeingRecord:
    """A whole run."""

    date: str
    commit: Commit
    machine: Machine
    rate: float
    seconds: float
    runs: tuple[Seen, ...]


def run(rate: float, seconds: float, rounds: int, toolbox: Toolbox, say: Say) -> SeeingRecord:
    """Each kind of watching once in a round. Everything started is ended on leaving, whatever happened.

    Raises: BenchmarkError when nodeproxy or one of its commands does not answer.
    """
    began, commit, machine = datetime.now(UTC).isoformat(timespec="seconds"), this_commit(REPOSITORY), this_machine()
    runs = []
    with ExitStack() as stack:
        folder = folder_in_memory("nodeproxy-seeing-", stack)
        behind = stack.enter_context(endpoints(toolbox, folder))
        run_dir = folder / "run"
        peer = replace(PEERS[0], environment={"NODEPROXY_RUN_DIR": str(run_dir)})
        proxy = stack.enter_context(started(peer, toolbox, folder, behind))
        open_loop(toolbox, proxy.port, SCENARIOS[1], rate, (WARMUP_S, seconds))
        for number in range(rounds):
            names = [*WATCHED]
            first = number % len(names)
            for watched in (*names[first:], *names[:first]):
                with _watching(WATCHED[watched], folder, run_dir):
                    seen = _stretch(watched, number + 1, proxy, toolbox, (rate, seconds))
                say(f"{watched}, round {seen.round}: p50 {seen.p50_s * 1e3:.2f} ms, p99 {seen.p99_s * 1e3:.2f} ms")
                runs.append(seen)
    return SeeingRecord(began, commit, machine, rate, seconds, tuple(runs))


def _stretch(watched: str, number: int, proxy: Running, toolbox: Toolbox, how: tuple[float, float]) -> Seen:
    rate, seconds = how
    cpu, stolen = cpu_of(proxy.worker), stolen_s()
    seen = open_loop(toolbox, proxy.port, SCENARIOS[1], rate, (WARMUP_S, seconds))
    cpu = cpu_of(proxy.worker) - cpu
    every = rate * (WARMUP_S + seconds)
    return Seen(
        watched, number, seen.requests, seen.p50_s, seen.p99_s, cpu.total_s / every, stolen_s() - stolen, seen.errors
    )


@contextmanager
def _watching(commands: tuple[tuple[str, ...], ...], folder: Path, run_dir: Path) -> Iterator[None]:
    """The commands, each with its first line printed; their terminal is a file, on the core of the load."""
    with ExitStack() as stack:
        for command in commands:
            log = folder / f"{command[0]}.log"
            line = (sys.executable, "-m", "nodeproxy", *command)
            process = stack.enter_context(
                running(line, GENERATOR_CORE, log, {"NODEPROXY_RUN_DIR": str(run_dir), "PYTHONUNBUFFERED": "1"})
            )
            end = time.monotonic() + START_S
            while not log.stat().st_size:
                if process.poll() is not None or time.monotonic() > end:
                    raise BenchmarkError(f"nodeproxy {' '.join(command)} does not answer: {last_lines(log)}")
                time.sleep(0.05)
        yield


def save(record: SeeingRecord, path: Path) -> None:
    """Write a record as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")


def faults(record: SeeingRecord) -> tuple[str, ...]:
    """The runs with errors."""
    return tuple(
        f"{each.watched}, round {each.round}: {each.errors}" for each in record.runs if any(each.errors.values())
    )


def markdown(record: SeeingRecord) -> str:
    """The medians of all rounds, each beside those without an operator."""
    lines = [
        f"{record.rate:.0f} requests/s for {record.seconds:g} s, {max(each.round for each in record.runs)} rounds,"
        f" commit {record.commit.hash[:7]}; medians of the rounds.",
        "",
        "| beside the load | p50 | p99 | p99 beside nothing | CPU of the worker per request |",
        "|---|--:|--:|--:|--:|",
    ]
    base = _median(record, NOTHING, "p99_s")
    for watched in dict.fromkeys(each.watched for each in record.runs):
        p50, p99, cpu = (_median(record, watched, name) for name in ("p50_s", "p99_s", "worker_cpu_s"))
        change = f"{p99 / base - 1:+.1%}" if watched != NOTHING else "-"
        lines.append(f"| {watched} | {p50 * 1e3:.3f} ms | {p99 * 1e3:.3f} ms | {change} | {cpu * 1e6:.1f} µs |")
    return "\n".join(lines) + "\n"


def _median(record: SeeingRecord, watched: str, name: str) -> float:
    return median(getattr(each, name) for each in record.runs if each.watched == watched)
