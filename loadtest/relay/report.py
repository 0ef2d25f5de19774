"""The record of TCP as people read it: what each peer needs for each kind of work, and the ratios to HAProxy."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from loadtest.cells import FAMILY, NOTHING, Row, table
from loadtest.peer import NO_PROXY, NODEPROXY
from loadtest.record import Missing
from loadtest.relay.record import Idle, Run, TcpRecord
from loadtest.relay.work import BESIDE, CONNECT, DOWNLOAD, ROUND_TRIP, UPLOAD, Work
from loadtest.summary import GIB

YARDSTICK = "haproxy"
MICRO, MILLI = 1e6, 1e3
IDLE_GOAL_KIB = 8.0

Number = Callable[[Run], float]


@dataclass(frozen=True, slots=True)
class Measure:
    """A line of the table: a number of each run of a work. `goal` is the highest ratio to the yardstick."""

    title: str
    work: Work
    number: Number
    digits: int = 1
    goal: float | None = None
    whole: Number | None = None  # for all of nodeproxy's processes, where that is another number
    of_proxies: bool = False  # without a proxy there is none


def _units(run: Run) -> float:
    return run.counted.units or 1


def _gib(run: Run) -> float:
    return run.counted.bytes / GIB or 1


def _cpu(work: Work, title: str, goal: float) -> Measure:
    per, scale = (_gib, 1.0) if work.per_byte else (_units, MICRO)
    return Measure(
        title,
        work,
        lambda run: run.worker_cpu.total_s / per(run) * scale,
        digits=3 if work.per_byte else 1,
        goal=goal,
        whole=lambda run: run.all_cpu.total_s / per(run) * scale,
        of_proxies=True,
    )


def _machine(work: Work) -> Measure:
    per, scale = (_gib, 1.0) if work.per_byte else (_units, MICRO)
    number = lambda run: run.machine_cpu.total_s / per(run) * scale  # noqa: E731  as in the lines above
    return Measure("… of the whole machine", work, number, digits=3 if work.per_byte else 1)


def _busy(work: Work) -> Measure:
    """Well below 100, core 1 was the bottleneck, and the number per second is not the relay's."""
    return Measure(
        "… busy, % of its core",
        work,
        lambda run: run.worker_cpu.total_s / run.counted.duration_s * 100,
        digits=0,
        of_proxies=True,
    )


def _per_s(work: Work) -> Measure:
    if work.per_byte:
        return Measure("… GiB per s", work, lambda run: _gib(run) / run.counted.duration_s, digits=2)
    return Measure("… per s", work, lambda run: _units(run) / run.counted.duration_s, digits=0)


MEASURES = (
    _cpu(ROUND_TRIP, "round trip of 100 bytes, CPU µs", 1.2),
    _machine(ROUND_TRIP),
    _per_s(ROUND_TRIP),
    _busy(ROUND_TRIP),
    _cpu(DOWNLOAD, "GiB to the client, CPU s", 1.1),
    _machine(DOWNLOAD),
    _per_s(DOWNLOAD),
    _busy(DOWNLOAD),
    _cpu(UPLOAD, "GiB to the server, CPU s", 1.1),
    _machine(UPLOAD),
    _per_s(UPLOAD),
    _busy(UPLOAD),
    Measure("round trip beside bulk, p50 ms", BESIDE, lambda run: run.counted.p50_s * MILLI, digits=3),
    Measure("… p99 ms", BESIDE, lambda run: run.counted.p99_s * MILLI, digits=3, goal=1.5),
    Measure("… GiB per s of the bulk", BESIDE, lambda run: _gib(run) / run.counted.duration_s, digits=2),
    _cpu(CONNECT, "new connection with a round trip, CPU µs", 2.0),
    _machine(CONNECT),
    _per_s(CONNECT),
    _busy(CONNECT),
)


def markdown(record: TcpRecord) -> str:
    """Everything the record says."""
    return f"# TCP\n\n{summary(record)}\n"


def summary(record: TcpRecord) -> str:
    """The block of the README."""
    parts = [_table(record), *_missing(record.missing), _where(record)]
    return "\n\n".join(part for part in parts if part)


def _table(record: TcpRecord) -> str:
    peers = _peers(record)
    columns = [column for peer in peers for column in ((peer, FAMILY) if peer == NODEPROXY else (peer,))]
    rows = [_row(record, measure, peers) for measure in MEASURES if _runs(record, measure.work)]
    rows += _idle_rows(record, peers)
    return table(("", *columns, f"{NODEPROXY} / {YARDSTICK}", "goal: at most"), rows)


def _row(record: TcpRecord, measure: Measure, peers: tuple[str, ...]) -> Row:
    cells: list[str] = []
    for peer in peers:
        absent = measure.of_proxies and peer == NO_PROXY
        cells.append(NOTHING if absent else _middle(record, measure, peer, measure.number))
        if peer == NODEPROXY:
            cells.append(_middle(record, measure, peer, measure.whole) if measure.whole else "")
    return (measure.title, *cells, _ratio(record, measure), f"{measure.goal:.1f}" if measure.goal else "")


def _middle(record: TcpRecord, measure: Measure, peer: str, number: Number) -> str:
    numbers = [number(run) for run in _runs(record, measure.work) if run.peer == peer]
    return f"{median(numbers):,.{measure.digits}f}" if numbers else NOTHING


def _ratio(record: TcpRecord, measure: Measure) -> str:
    """The median over the rounds of the ratio within a round: the machine's speed drifts from round to round."""
    rounds = {(run.peer, run.round): measure.number(run) for run in _runs(record, measure.work)}
    numbers = {number for _, number in rounds}
    pairs = [(rounds.get((NODEPROXY, each)), rounds.get((YARDSTICK, each))) for each in numbers]
    ratios = [own / other for own, other in pairs if own is not None and other]
    return f"{median(ratios):.2f}" if ratios else NOTHING


def _idle_rows(record: TcpRecord, peers: tuple[str, ...]) -> list[Row]:
    if not record.idle:
        return []
    count, idle_s = record.idle[0].connections, record.idle[0].idle_s
    lines: tuple[tuple[str, Callable[[Idle, bool], float], float | None], ...] = (
        (f"{count:,} idle connections, KiB each", _each_kib, IDLE_GOAL_KIB),
        ("… KiB each in the kernel, both ends", lambda seen, _: seen.kernel_bytes / seen.connections / 1024, None),
        (
            f"… CPU ms in {idle_s:.0f} s",
            lambda seen, whole: (seen.all_cpu_s if whole else seen.worker_cpu_s) * MILLI,
            None,
        ),
    )
    return [_idle_row(record, peers, *line) for line in lines]


def _each_kib(seen: Idle, whole: bool) -> float:
    return (seen.all_used_bytes if whole else seen.worker_used_bytes) / seen.connections / 1024


def _idle_row(
    record: TcpRecord, peers: tuple[str, ...], title: str, number: Callable[[Idle, bool], float], goal: float | None
) -> Row:
    held = {each.peer: each for each in record.idle}
    cells: list[str] = []
    for peer in peers:
        seen = held.get(peer)
        none = seen is None or (peer == NO_PROXY and "kernel" not in title)
        cells.append(NOTHING if none or seen is None else f"{number(seen, False):.1f}")
        if peer == NODEPROXY:
            cells.append("" if seen is None or "kernel" in title else f"{number(seen, True):.1f}")
    own, other = held.get(NODEPROXY), held.get(YARDSTICK)
    compared = own and other and number(other, False)
    ratio = f"{number(own, False) / compared:.2f}" if own and compared and "CPU" not in title else NOTHING
    return (title, *cells, ratio, f"{goal:.0f} KiB" if goal else "")


def _runs(record: TcpRecord, work: Work) -> list[Run]:
    return [run for run in record.runs if run.work == work.name]


def _peers(record: TcpRecord) -> tuple[str, ...]:
    measured = (*(each.peer for each in record.idle), *(run.peer for run in record.runs if run.round == 1))
    return tuple(sorted(dict.fromkeys(measured), key=lambda peer: peer == NO_PROXY))


def _missing(missing: tuple[Missing, ...]) -> list[str]:
    return [f"**Not measured: {each.peer}** ({' '.join(each.reason.split())})" for each in missing]


def _where(record: TcpRecord) -> str:
    machine, (before, after) = record.machine, record.cache_step_s
    rounds = max((run.round for run in record.runs), default=0)
    stolen = median(run.stolen_s / run.counted.duration_s for run in record.runs) if record.runs else 0.0
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return (
        f"{record.date}, commit {record.commit.hash[:12]}{' with local changes' if record.commit.dirty else ''}; "
        f"{'quick run, ' if record.quick else ''}medians of {rounds} round{'s' * (rounds != 1)}. {machine.cpu}, "
        f"{machine.cores} cores, Linux {machine.kernel}, Python {machine.python}. {versions}. Load average "
        f"{machine.load_average} when it began; the hypervisor stole {stolen:.0%} of a core; a step through the shared "
        f"cache took {before * 1e9:.0f} ns before and {after * 1e9:.0f} ns after."
    )
