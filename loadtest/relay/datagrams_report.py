"""The record of UDP as people read it: a line for each peer and each kind of client, and one for memory."""

from statistics import median

from loadtest.cells import NOTHING, Row, table
from loadtest.peer import NO_PROXY
from loadtest.relay.datagrams import MANY, ONE, REST_S, WINDOW
from loadtest.relay.record import Run, UdpRecord

TITLES = {ONE: "one client socket", MANY: "a new source port for each query"}
MIB = 2**20
IDLE = (
    "60 s of silence in nodeproxy, or as the oldest of 8,192; after 0.5 s in Envoy, whose limit of sessions is raised"
)


def markdown(record: UdpRecord) -> str:
    """Everything the record says."""
    return f"# UDP\n\n{summary(record)}\n"


def summary(record: UdpRecord) -> str:
    """The block of the README."""
    head: Row = ("", "peer", "queries per s", "lost", "p50 ms", "p99 ms", "CPU µs per query", "of the whole machine")
    rows = [_row(record, work, peer) for work in TITLES for peer in _peers(record)]
    parts = [table(head, rows)]
    if record.sessions:
        sizes: Row = ("resident MiB", "before", "peak", f"{REST_S:.0f} s after")
        parts.append(table(sizes, [_sizes(record, peer) for peer in dict.fromkeys(s.peer for s in record.sessions)]))
    parts += [f"**Not measured: {each.peer}** ({' '.join(each.reason.split())})" for each in record.missing]
    return "\n\n".join([*parts, _where(record)])


def _row(record: UdpRecord, work: str, peer: str) -> Row:
    runs = [run for run in record.runs if (run.work, run.peer) == (work, peer)]
    if not runs:
        return (TITLES[work], peer, *[NOTHING] * 6)
    rate = f"{median(run.counted.units / run.counted.duration_s for run in runs):,.0f}"
    lost = f"{sum(run.counted.errors['lost'] for run in runs):,} of {sum(_sent(run) for run in runs):,}"
    return (TITLES[work], peer, rate, lost, *_of_answers(runs, peer))


def _of_answers(runs: list[Run], peer: str) -> Row:
    """Times and costs of a query; nothing where most runs had no answer, because the peer had ended."""
    if not median(run.counted.units for run in runs):
        return (NOTHING,) * 4
    return (
        f"{median(run.counted.p50_s for run in runs) * 1e3:.2f}",
        f"{median(run.counted.p99_s for run in runs) * 1e3:.2f}",
        NOTHING if peer == NO_PROXY else _micros([run.worker_cpu.total_s / _answered(run) for run in runs]),
        _micros([run.machine_cpu.total_s / _answered(run) for run in runs]),
    )


def _sizes(record: UdpRecord, peer: str) -> Row:
    """Over all rounds: each round has sessions that no other had, so a peer that keeps them grows."""
    own = [each for each in record.sessions if each.peer == peer]
    sizes = (own[0].before_bytes, max(each.peak_bytes for each in own), own[-1].after_bytes)
    return (peer, *(f"{size / MIB:.1f}" if size else f"{NOTHING} (it has ended)" for size in sizes))


def _sent(run: Run) -> int:
    return run.counted.units + run.counted.errors["lost"] + run.counted.errors["wrong"]


def _answered(run: Run) -> int:
    return run.counted.units or 1


def _micros(seconds: list[float]) -> str:
    return f"{median(seconds) * 1e6:.1f}"


def _peers(record: UdpRecord) -> tuple[str, ...]:
    return tuple(dict.fromkeys(run.peer for run in record.runs if run.round == 1))


def _where(record: UdpRecord) -> str:
    machine, rounds = record.machine, max((run.round for run in record.runs), default=0)
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return (
        f"{record.queries:,} DNS queries in each run, {WINDOW} at a time; medians of {rounds} "
        f"round{'s' * (rounds != 1)}, losses of all. A session ends after {IDLE}. "
        f"{record.date}, commit {record.commit.hash[:12]}"
        f"{' with local changes' if record.commit.dirty else ''}. {machine.cpu}, {machine.cores} cores, Linux "
        f"{machine.kernel}, Python {machine.python}. {versions}. Load average {machine.load_average} when it began."
    )
