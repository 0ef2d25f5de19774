"""A minute of very many streams: errors, and what the proxy's memory does. h2load, 100 connections of 100 streams."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from loadtest.cells import table
from loadtest.errors import BenchmarkError
from loadtest.generator import PATIENCE_S
from loadtest.machine import GENERATOR_CORE, Commit, Machine, pinned, this_commit, this_machine
from loadtest.peer import HTTP2, NODEPROXY, PEERS, Running
from loadtest.procstat import rss_bytes_of
from loadtest.record import Missing
from loadtest.run import Say, all_started
from loadtest.scenarios import STREAMED
from loadtest.streams import h2load, parse_h2load
from loadtest.toolbox import REPOSITORY, Toolbox

FLOOD = replace(STREAMED[0], name="h2flood", connections=100, streams=100)
LOOK_S = 0.1
REST_S = 80.0  # after the load, for a peer to give back what it needs no more: nodeproxy closes idle connections to
# endpoints after a minute
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Soak:
    """One peer under the load. Memory is the resident set of its workers, in bytes; `early` is the first quarter."""

    peer: str
    duration_s: int
    requests: int
    errors: dict[str, int]
    before_bytes: int
    early_peak_bytes: int
    peak_bytes: int
    after_bytes: int


@dataclass(frozen=True, slots=True)
class SoakRecord:
    """A whole run."""

    date: str
    commit: Commit
    machine: Machine
    missing: tuple[Missing, ...]
    soaks: tuple[Soak, ...]


def run(duration_s: int, names: tuple[str, ...], toolbox: Toolbox, say: Say) -> SoakRecord:
    """One peer after the other. Everything started is ended on leaving, whatever happened.

    Raises: BenchmarkError when nodeproxy is asked for and answers no request.
    """
    began, machine, commit = datetime.now(UTC).isoformat(timespec="seconds"), this_machine(), this_commit(REPOSITORY)
    soaks: list[Soak] = []
    chosen = tuple(peer for peer in PEERS if peer.name in names and FLOOD.host in peer.http2_hosts)
    with all_started(chosen, toolbox, say, protocols=frozenset({HTTP2})) as (peers, missing, _):
        for peer in peers:
            try:
                soaks.append(_soaked(peer, duration_s, toolbox))
            except BenchmarkError as error:
                if peer.name == NODEPROXY:
                    raise
                missing += (Missing(peer.name, str(error)),)
                say(f"{peer.name} IS NOT MEASURED: {error}")
            else:
                say(f"{peer.name}: {soaks[-1].requests} requests, peak {soaks[-1].peak_bytes / MIB:.1f} MiB")
    return SoakRecord(began, commit, machine, missing, tuple(soaks))


def _soaked(peer: Running, duration_s: int, toolbox: Toolbox) -> Soak:
    before_bytes = rss_bytes_of(peer.worker)
    command = h2load(toolbox, peer.http2_ports[FLOOD.host], FLOOD, duration_s)
    began = time.monotonic()
    with subprocess.Popen(pinned(GENERATOR_CORE, command), stdout=subprocess.PIPE, text=True) as load:
        try:
            sizes = list(_sizes(peer, load, began + duration_s + PATIENCE_S))
            report = load.communicate()[0]
        finally:
            load.kill()  # it has ended when all went well
    if load.returncode:
        raise BenchmarkError(f"h2load ended with status {load.returncode}; it printed:\n{report.strip()}")
    seen = parse_h2load(report, duration_s)
    time.sleep(REST_S)
    after_bytes = rss_bytes_of(peer.worker)
    return Soak(
        peer=peer.name,
        duration_s=duration_s,
        requests=seen.requests,
        errors=seen.errors,
        before_bytes=before_bytes,
        early_peak_bytes=max(size for at, size in sizes if at <= began + duration_s / 4),
        peak_bytes=max(after_bytes, *(size for _, size in sizes)),
        after_bytes=after_bytes,
    )


def _sizes(peer: Running, load: subprocess.Popen[str], give_up: float) -> Iterator[tuple[float, int]]:
    """When, and how large, until the load ends (h2load prints less than a pipe holds)."""
    while True:
        yield time.monotonic(), rss_bytes_of(peer.worker)
        if load.poll() is not None:
            return
        if time.monotonic() > give_up:
            raise BenchmarkError(f"h2load against {peer.name} does not end")
        time.sleep(LOOK_S)


def faults(record: SoakRecord) -> tuple[str, ...]:
    """A sentence for each peer that did not answer a request as it should."""
    return tuple(
        f"{each.peer}: {each.requests} requests, but {_errors(each)}"
        for each in record.soaks
        if any(each.errors.values())
    )


def markdown(record: SoakRecord) -> str:
    """A line for each peer."""
    head = ("", "requests/s", "errors", "before, MiB", "peak of the first quarter", "peak", f"{REST_S:.0f} s after")
    rows = []
    for each in record.soaks:
        sizes = (each.before_bytes, each.early_peak_bytes, each.peak_bytes, each.after_bytes)
        rate = f"{each.requests / each.duration_s:,.0f}"
        rows.append((each.peer, rate, _errors(each) or "0", *(f"{size / MIB:.1f}" for size in sizes)))
    where = f"{record.date}, commit {record.commit.hash[:12]}, {record.machine.cpu}, Python {record.machine.python}"
    load = f"h2load, {FLOOD.connections} connections with {FLOOD.streams} streams each, HTTP/2 to HTTP/2"
    missing = [f"**Not measured: {each.peer}** ({' '.join(each.reason.split())})" for each in record.missing]
    times = ", ".join(dict.fromkeys(f"{each.duration_s} s" for each in record.soaks))
    return "\n\n".join(["# Very many streams", f"{load}; {times}. {where}.", *missing, table(head, rows)]) + "\n"


def _errors(soak: Soak) -> str:
    return ", ".join(f"{count} x {kind}" for kind, count in soak.errors.items() if count)
