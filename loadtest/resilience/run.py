"""One run: one node with a service for each table of each scenario; the endpoints of each are started for it alone."""

import http.client
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from loadtest.endpoints import endpoints
from loadtest.errors import BenchmarkError, NotStartedError
from loadtest.machine import GENERATOR_CORE, pinned, quiet_ports, this_commit, this_machine
from loadtest.peer import PEERS, started
from loadtest.policies.hosts import NAMESPACE
from loadtest.policies.mesh import mesh_documents
from loadtest.policies.sets import reason
from loadtest.process import last_lines, running
from loadtest.procstat import cpu_of
from loadtest.record import Missing
from loadtest.resilience.client import Got, Load
from loadtest.resilience.endpoints import COUNT_PATH, Place
from loadtest.resilience.record import Outcome, ResilienceRecord
from loadtest.resilience.scenarios import Trouble
from loadtest.run import Say
from loadtest.toolbox import REPOSITORY, Toolbox
from nodeproxy.policies.table import PolicyRefused, settings_of

SCHEMA = 1
START_S = 10.0
REST_S, LOOK_S, RESTING_RATIO = 20.0, 0.5, 0.05
PATIENCE_S = 30.0  # with the process of the callers, beyond its own duration


@dataclass(frozen=True, slots=True)
class Case:
    """One table of one scenario, its service, and the ports of its endpoints."""

    trouble: Trouble
    table: str
    service: str
    ports: tuple[int, ...]

    @property
    def places(self) -> list[Place]:
        """The endpoints with their ports."""
        return [Place(port, each) for port, each in zip(self.ports, self.trouble.endpoints, strict=True)]


def run(troubles: Iterable[Trouble], toolbox: Toolbox, say: Say) -> ResilienceRecord:
    """Run every table that this version accepts. Everything started is ended on leaving, whatever happened.

    Raises: BenchmarkError when the node or the endpoints do not start, or the callers fail.
    """
    began = datetime.now(UTC).isoformat(timespec="seconds")
    machine, commit = this_machine(), this_commit(REPOSITORY)
    cases, absent = cases_of(troubles)
    for each in absent:
        say(f"{each.peer} IS NOT MEASURED: {each.reason}")
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="nodeproxy-resilience-") as name:
        folder = Path(name)
        with endpoints(toolbox, folder) as behind, started(PEERS[0], toolbox, folder, behind, _mesh(cases)) as node:
            for case in cases:
                outcomes.append(_outcome(case, node.port, folder))
                _rest(node.worker)
                say(f"{case.trouble.name}, {case.table}: {_shown(outcomes[-1])}")
    return ResilienceRecord(SCHEMA, began, commit, machine, tuple(outcomes), absent)


def cases_of(troubles: Iterable[Trouble]) -> tuple[tuple[Case, ...], tuple[Missing, ...]]:
    """What can be run with the policies of this version, and what is missing for which reason."""
    accepted, absent = [], []
    for trouble in troubles:
        for number, (name, table) in enumerate(trouble.tables.items()):
            try:
                settings_of(table)
                accepted.append((trouble, name, f"{trouble.name}-{number}"))
            except PolicyRefused as refused:
                absent.append(Missing(f"{trouble.name}, {name}", reason(refused)))
    ports = iter(quiet_ports(sum(len(trouble.endpoints) for trouble, _, _ in accepted)))
    cases = [Case(*each, tuple(next(ports) for _ in each[0].endpoints)) for each in accepted]
    return tuple(cases), tuple(absent)


def _mesh(cases: Iterable[Case]) -> dict[str, str]:
    tables = {case.service: case.trouble.tables[case.table] for case in cases}
    return {"troubles.yaml": mesh_documents({case.service: case.ports for case in cases}, tables)}


def _outcome(case: Case, port: int, folder: Path) -> Outcome:
    trouble = case.trouble
    host = f"{case.service}.{NAMESPACE}.mesh"
    load = Load(port, host, trouble.streams, trouble.patience_s, trouble.warmup_s, trouble.measure_s)
    with _endpoints(case, folder):
        callers = called(load)
        requests = tuple(map(_count, case.ports))
    sent = round(sum(stream.rate for stream in trouble.streams) * (trouble.warmup_s + trouble.measure_s))
    return Outcome(trouble.name, case.table, trouble.measure_s, callers, sent, requests)


def _rest(pids: tuple[int, ...]) -> None:
    """Wait until the node has done what one case has left behind."""
    give_up = time.monotonic() + REST_S
    before = cpu_of(pids).total_s
    while time.monotonic() < give_up:
        time.sleep(LOOK_S)
        now = cpu_of(pids).total_s
        if now - before < RESTING_RATIO * LOOK_S:
            return
        before = now


@contextmanager
def _endpoints(case: Case, folder: Path) -> Iterator[None]:
    with scripted(case.places, folder / f"{case.service}.log"):
        yield


@contextmanager
def scripted(places: list[Place], log: Path, first: tuple[str, ...] = ()) -> Iterator[None]:
    """Endpoints in a process of their own, which answer. `first` are words before its command, e.g. a priority.

    Raises: NotStartedError.
    """
    command = (*first, sys.executable, "-m", "loadtest.resilience.endpoints", msgspec.json.encode(places).decode())
    with running(command, GENERATOR_CORE, log, {"PYTHONPATH": str(REPOSITORY)}) as process:
        give_up = time.monotonic() + START_S
        while not all(_answers(place.port) for place in places):
            if process.poll() is not None or time.monotonic() > give_up:
                raise NotStartedError(f"the endpoints of {log.stem} do not answer:\n{last_lines(log)}")
            time.sleep(0.05)
        yield


def called(load: Load, first: tuple[str, ...] = ()) -> tuple[Got, ...]:
    """What callers in a process of their own got. `first` are words before its command, e.g. a priority.

    Raises: BenchmarkError when it fails.
    """
    command = (*first, sys.executable, "-m", "loadtest.resilience.client", msgspec.json.encode(load).decode())
    done = subprocess.run(
        pinned(GENERATOR_CORE, command),
        capture_output=True,
        check=False,
        cwd=REPOSITORY,
        timeout=load.warmup_s + load.measure_s + PATIENCE_S,
    )
    if done.returncode:
        raise BenchmarkError(f"the callers failed: {done.stderr.decode(errors='replace')}")
    return msgspec.json.decode(done.stdout, type=tuple[Got, ...])


def _count(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", COUNT_PATH.decode())
        return int(connection.getresponse().read())
    finally:
        connection.close()


def _answers(port: int) -> bool:
    try:
        return _count(port) >= 0
    except OSError:
        return False


def _shown(outcome: Outcome) -> str:
    return "; ".join(f"{each.name} {each.statuses}, p99 {each.p99_s * 1e3:.0f} ms" for each in outcome.callers)
