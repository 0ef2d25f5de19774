"""One run of the relays of UDP: DNS queries by one client and by very many, and what the sessions do to memory."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import msgspec

from loadtest.generator import last_line_of
from loadtest.machine import this_commit, this_machine
from loadtest.procstat import rss_bytes_of
from loadtest.relay.peers import UDP, Relay, all_relays, allow_open_files, versions_of
from loadtest.relay.record import Run, Sessions, UdpRecord
from loadtest.relay.run import SCHEMA, measured, turns
from loadtest.relay.work import Counted
from loadtest.run import Say
from loadtest.toolbox import REPOSITORY, Toolbox

ONE, MANY = "one-socket", "socket-per-query"
WINDOW = 32  # queries under way
LOOK_S = 0.05
REST_S = 5.0  # after the load, for a peer to give back what it needs no more
LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How often, and how many queries in each run."""

    rounds: int
    queries: int


FULL = Plan(rounds=3, queries=50_000)
QUICK = Plan(rounds=1, queries=2_000)
WARMUP_QUERIES = 500


def run(plan: Plan, names: tuple[str, ...], toolbox: Toolbox, say: Say) -> UdpRecord:
    """Measure these peers. Everything started is ended on leaving, whatever happened.

    Raises: BenchmarkError when nodeproxy cannot be measured, or a peer dies on the way.
    """
    began = datetime.now(UTC).isoformat(timespec="seconds")
    machine, commit = this_machine(), this_commit(REPOSITORY)
    allow_open_files()
    sessions: list[Sessions] = []
    runs: list[Run] = []
    with all_relays(UDP, names, toolbox, say) as (relays, missing, _):
        for relay in relays:
            load_of(toolbox, relay, WARMUP_QUERIES, 0)
        for number, relay in turns(plan.rounds, relays):
            runs.append(measured(relay, ONE, number, partial(load_of, toolbox, relay, plan.queries, 0)))
            say(_shown(runs[-1]))
        for number, relay in turns(plan.rounds, relays):
            with _memory(relay, number, sessions):
                load = partial(load_of, toolbox, relay, plan.queries, number)
                runs.append(measured(relay, MANY, number, load))
            say(_shown(runs[-1]))
        versions = versions_of(relays, toolbox)
    return UdpRecord(
        schema=SCHEMA,
        date=began,
        quick=plan == QUICK,
        queries=plan.queries,
        commit=commit,
        machine=machine,
        versions=versions,
        missing=missing,
        runs=tuple(runs),
        sessions=tuple(sessions),
    )


def load_of(toolbox: Toolbox, relay: Relay, queries: int, sources: int) -> Counted:
    """So many queries: from one socket, or each from a socket of its own in the network 127.`sources`.0.0/16.

    Raises: BenchmarkError when the generator fails.
    """
    host, port = relay.at["dns"]
    command = (toolbox.compiled("udpload"), host, *map(str, (port, queries, WINDOW, sources)))
    return msgspec.json.decode(last_line_of(command, b"", LIMIT_S), type=Counted)


@contextmanager
def _memory(relay: Relay, number: int, sessions: list[Sessions]) -> Iterator[None]:
    """Adds what happens to the workers' memory meanwhile, and some seconds later, to `sessions`."""
    if not relay.worker:
        yield
        return
    over = threading.Event()
    sizes = [rss_bytes_of(relay.worker)]

    def look() -> None:
        while not over.wait(LOOK_S):
            sizes.append(rss_bytes_of(relay.worker))

    watch = threading.Thread(target=look)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()
    sizes.append(rss_bytes_of(relay.worker))
    time.sleep(REST_S)
    sessions.append(Sessions(relay.name, number, sizes[0], max(sizes), rss_bytes_of(relay.worker)))


def _shown(seen: Run) -> str:
    counted = seen.counted
    errors = ", ".join(f"{count} {kind}" for kind, count in counted.errors.items())
    per_s = counted.units / counted.duration_s
    return f"{seen.work} {seen.round}, {seen.peer}: {per_s:,.0f}/s, {errors}, p99 {counted.p99_s * 1e3:.2f} ms"
