"""What an operator who looks costs: a fixed rate without, and with `tap`, `top` or the page beside it, in turn."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from loadtest.endpoints import endpoints
from loadtest.errors import BenchmarkError
from loadtest.generator import open_loop
from loadtest.machine import GENERATOR_CORE, Commit, Machine, free_ports, this_commit, this_machine
from loadtest.peer import PEERS, Running, started
from loadtest.process import last_lines, running
from loadtest.procstat import PROC, cpu_of, pss_bytes_of, stolen_s
from loadtest.run import Say, folder_in_memory
from loadtest.scenarios import SCENARIOS
from loadtest.toolbox import REPOSITORY, Toolbox

SERVICE = "echo.bench"
SERVICES = 1000  # of the mesh, beside those that are called
WARMUP_S = 0.5
START_S = 10.0  # of a command, which has to import, ask and be answered
NOTHING = "nothing"
WATCHED = {
    NOTHING: (),
    "top": (("nodeproxy", "top", "--json"),),
    "tap": (("nodeproxy", "tap", SERVICE, "--json"),),
    "tap --status 5xx": (("nodeproxy", "tap", SERVICE, "--status", "5xx", "--json"),),
    "tap and top": (("nodeproxy", "tap", SERVICE, "--json"), ("nodeproxy", "top", "--json")),
    "page": (("loadtest.page_reader", "@page_port@"),),
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
    control_cpu_ratio: float
    """Of a core, of the control process."""
    control_bytes: int
    """Its proportional set size after it."""
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
        (page_port,) = free_ports(1)
        page = f"127.0.0.1:{page_port}"
        settings = {"NODEPROXY_RUN_DIR": str(folder / "run"), "NODEPROXY_PAGE": page}
        peer = replace(PEERS[0], environment=settings)
        proxy = stack.enter_context(started(peer, toolbox, folder, behind, {"many.yaml": many_services()}))
        open_loop(toolbox, proxy.port, SCENARIOS[1], rate, (WARMUP_S, seconds))
        for number in range(rounds):
            names = [*WATCHED]
            first = number % len(names)
            for watched in (*names[first:], *names[:first]):
                with _watching(WATCHED[watched], folder, settings):
                    seen = _stretch(watched, number + 1, proxy, toolbox, (rate, seconds))
                say(f"{watched}, round {seen.round}: p50 {seen.p50_s * 1e3:.2f} ms, p99 {seen.p99_s * 1e3:.2f} ms")
                runs.append(seen)
    return SeeingRecord(began, commit, machine, rate, seconds, tuple(runs))


def _stretch(watched: str, number: int, proxy: Running, toolbox: Toolbox, how: tuple[float, float]) -> Seen:
    rate, seconds = how
    control = _control_of(proxy)
    cpu, used, stolen, began = cpu_of(proxy.worker), cpu_of(control), stolen_s(), time.monotonic()
    seen = open_loop(toolbox, proxy.port, SCENARIOS[1], rate, (WARMUP_S, seconds))
    cpu, used = cpu_of(proxy.worker) - cpu, cpu_of(control) - used
    return Seen(
        watched,
        number,
        seen.requests,
        seen.p50_s,
        seen.p99_s,
        cpu.total_s / (rate * (WARMUP_S + seconds)),
        used.total_s / (time.monotonic() - began),
        pss_bytes_of(control),
        stolen_s() - stolen,
        seen.errors,
    )


def _control_of(proxy: Running) -> tuple[int, ...]:
    return tuple(pid for pid in proxy.all if (PROC / str(pid) / "comm").read_text() == "discovery\n")


def many_services(count: int = SERVICES) -> str:
    """So many services with an endpoint each, as YAML; nothing listens there."""
    return "---\n".join(
        f"""apiVersion: v1
kind: Service
metadata: {{name: service-{number:04}, namespace: bench}}
spec: {{clusterIP: 10.99.{number // 250}.{number % 250 + 1}, ports: [{{name: http, port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: service-{number:04}, namespace: bench, labels: {{kubernetes.io/service-name: service-{number:04}}}}}
addressType: IPv4
ports: [{{name: http, port: 9}}]
endpoints: [{{addresses: [127.0.0.1]}}]
"""
        for number in range(count)
    )


@contextmanager
def _watching(commands: tuple[tuple[str, ...], ...], folder: Path, settings: Mapping[str, str]) -> Iterator[None]:
    """The commands, each with its first line printed; their terminal is a file, on the core of the load."""
    with ExitStack() as stack:
        for command in commands:
            log = folder / f"{'-'.join(command[:2])}.log"
            page_port = settings["NODEPROXY_PAGE"].rpartition(":")[2]
            line = (sys.executable, "-m", *(word.replace("@page_port@", page_port) for word in command))
            environment = {**settings, "PYTHONUNBUFFERED": "1"}
            process = stack.enter_context(running(line, GENERATOR_CORE, log, environment))
            end = time.monotonic() + START_S
            while not log.stat().st_size:
                if process.poll() is not None or time.monotonic() > end:
                    raise BenchmarkError(f"{' '.join(command)} does not answer: {last_lines(log)}")
                time.sleep(0.05)
        yield


def faults(record: SeeingRecord) -> tuple[str, ...]:
    """The runs with errors."""
    return tuple(
        f"{each.watched}, round {each.round}: {each.errors}" for each in record.runs if any(each.errors.values())
    )


def markdown(record: SeeingRecord) -> str:
    """The medians of all rounds, each beside those without an operator."""
    lines = [
        f"{record.rate:.0f} requests/s for {record.seconds:g} s, {max(each.round for each in record.runs)} rounds,"
        f" commit {record.commit.hash[:7]}, {SERVICES} services; medians of the rounds.",
        "",
        "| beside the load | p50 | p99 | p99 beside nothing | CPU of the worker per request | control process, CPU"
        " | memory |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    base = _median(record, NOTHING, "p99_s")
    for watched in dict.fromkeys(each.watched for each in record.runs):
        p50, p99, cpu = (_median(record, watched, name) for name in ("p50_s", "p99_s", "worker_cpu_s"))
        change = f"{p99 / base - 1:+.1%}" if watched != NOTHING else "-"
        used, memory = _median(record, watched, "control_cpu_ratio"), _median(record, watched, "control_bytes")
        latency = f"{p50 * 1e3:.3f} ms | {p99 * 1e3:.3f} ms | {change} | {cpu * 1e6:.1f} µs"
        lines.append(f"| {watched} | {latency} | {used:.1%} | {memory / 1e6:.1f} MB |")
    return "\n".join(lines) + "\n"


def _median(record: SeeingRecord, watched: str, name: str) -> float:
    return median(getattr(each, name) for each in record.runs if each.watched == watched)
