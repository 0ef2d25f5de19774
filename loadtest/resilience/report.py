"""The record of the troubles as people read it: what callers got under each table, and what endpoints had to bear."""

from collections.abc import Iterator

from loadtest.cells import NOTHING, table
from loadtest.machine import Commit, Machine
from loadtest.report import absent_lines
from loadtest.resilience.client import FAILED, LATE, Got
from loadtest.resilience.record import Outcome, ResilienceRecord
from loadtest.resilience.scenarios import TROUBLES, Trouble

HEAD = ("policies", "200 in time", "per s", "refused or failed", "late", "p50 ms", "p99 ms", "p99.9 ms")
LOAD = ("requests at endpoints per request", "share of each endpoint, %")


def markdown(record: ResilienceRecord) -> str:
    """Everything the record says."""
    return (
        "\n\n".join(["# When endpoints are in trouble", where(record), *absent_lines(record.absent), *tables(record)])
        + "\n"
    )


def summary(record: ResilienceRecord) -> str:
    """The block of the README."""
    return "\n\n".join([*tables(record), *absent_lines(record.absent), where(record)])


def where(record: ResilienceRecord) -> str:
    """One line: what ran, where, when."""
    return machine_line(record.date, record.commit, record.machine)


def machine_line(date: str, commit: Commit, machine: Machine) -> str:
    """One line: what ran, where, when."""
    dirty = " with local changes" if commit.dirty else ""
    return (
        f"{date}, commit {commit.hash[:12]}{dirty}. {machine.cpu}, {machine.cores} cores, "
        f"Linux {machine.kernel}, Python {machine.python}. Load average {machine.load_average} when it began."
    )


def tables(record: ResilienceRecord) -> Iterator[str]:
    """A title and a table for each scenario."""
    for trouble in TROUBLES:
        outcomes = [each for each in record.outcomes if each.trouble == trouble.name]
        if outcomes:
            yield f"**{trouble.title}** (`{trouble.name}`{_capacity(trouble)})"
            yield table((*HEAD, *LOAD), [row for each in outcomes for row in _rows(each)])


def _capacity(trouble: Trouble) -> str:
    rate = sum(stream.rate for stream in trouble.streams)
    most = trouble.capacity_per_s
    return f": {rate:,.0f} requests per s" + (f", capacity {most:,.0f} per s" if 0 < most < rate else "")


def _rows(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    for number, each in enumerate(outcome.callers):
        name = outcome.table if len(outcome.callers) == 1 else f"{outcome.table}: {each.name}"
        yield (name, *_got(each, outcome.measure_s), *(_load(outcome) if number == 0 else ("", "")))


def _got(got: Got, measure_s: float) -> Iterator[str]:
    good, late = got.statuses.get("200", 0), got.statuses.get(str(LATE), 0)
    yield from (f"{part / got.offered:.1%}" if got.offered else NOTHING for part in (good,))
    yield f"{good / measure_s:,.0f}"
    yield _by_status(got)
    yield f"{late / got.offered:.1%}" if late else ""
    yield from (f"{each * 1e3:.0f}" if good else NOTHING for each in (got.p50_s, got.p99_s, got.p999_s))


def _by_status(got: Got) -> str:
    others = {status: number for status, number in got.statuses.items() if status not in ("200", str(LATE))}
    names = {str(FAILED): "no response"}
    return ", ".join(f"{number / got.offered:.1%} {names.get(each, each)}" for each, number in others.items())


def _load(outcome: Outcome) -> tuple[str, str]:
    total = sum(outcome.endpoint_requests)
    shares = " ".join(f"{number / total * 100:.0f}" for number in outcome.endpoint_requests) if total else NOTHING
    return f"{total / outcome.sent:.2f}", shares
