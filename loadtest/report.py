"""The record as people read it: Markdown for every scenario, one short table for the READMEs, and a picture."""

import json
import re
import subprocess
from dataclasses import astuple
from pathlib import Path

from loadtest import streams_report
from loadtest.cells import FAMILY, NOTHING, Row, busy, micros, millis, peer_lines, ratio_to, seconds, table
from loadtest.errors import BenchmarkError, NotInstalledError
from loadtest.goals import goals_table
from loadtest.peer import NO_PROXY, NODEPROXY
from loadtest.record import Missing, Record
from loadtest.scenarios import IDLE_CONNECTIONS, SCENARIOS, Scenario
from loadtest.summary import cost, latency, peers_of, stolen_ratios
from loadtest.toolbox import HERE, Toolbox

YARDSTICK = "envoy"
BENCH, CLUSTER, POLICIES, RESILIENCE, FAIRNESS = "bench", "cluster", "policies", "resilience", "fairness"
TCP, UDP, GROWTH = "tcp", "udp", "growth"
"""The markers in READMEs between which tables stand: `<!-- bench:begin -->` and so on."""
TWO_FIELDS, TWELVE_FIELDS, FRESH, BODIES = SCENARIOS


def markdown(record: Record) -> str:
    """Everything the record says, scenario by scenario."""
    parts = ["# What a request costs", where(record), *missing_lines(record), *filter(None, [_http1_table(record)])]
    for scenario in SCENARIOS:
        if any(run.scenario == scenario.name for run in record.saturated):
            rows = _body_rows(record) if scenario.per_byte else _request_rows(record, scenario)
            parts += [f"## {scenario.title}", table(*rows)]
    parts += streams_report.sections(record)
    if record.memory:
        parts += ["## Memory (proportional set size, MiB)", table(*_memory_rows(record))]
    parts.append("Latencies at a fixed rate count from when a request was due. *busy*: share of the peer's core.")
    return "\n\n".join(parts) + "\n"


def where(record: Record) -> str:
    """One paragraph: what ran, where, when, and how quiet it was there."""
    rounds = max((run.round for run in record.saturated), default=0)
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    dirty = " with local changes" if record.commit.dirty else ""
    machine, (before, after), (middle, most) = record.machine, record.cache_step_s, stolen_ratios(record)
    built = f" ({machine.python_build})" if machine.python_build else ""
    return (
        f"{record.date}, commit {record.commit.hash[:12]}{dirty}; {'quick run, ' if record.quick else ''}"
        f"medians of {rounds} round{'s' * (rounds != 1)}. {machine.cpu}, {machine.cores} cores, "
        f"Linux {machine.kernel}, Python {machine.python}{built}. {versions}. "
        f"Load average {machine.load_average} when it began; "
        f"the hypervisor stole {middle:.0%} of a core (median run; at most {most:.0%}); a step through the "
        f"shared cache took {before * 1e9:.0f} ns before and {after * 1e9:.0f} ns after (over 60: neighbours crowd "
        "it, which slows the proxies with most code most)."
    )


def missing_lines(record: Record) -> tuple[str, ...]:
    """A line for each peer that was to be measured and was not."""
    return tuple(f"**Not measured: {each.peer}** ({' '.join(each.reason.split())})" for each in record.missing)


def absent_lines(absent: tuple[Missing, ...]) -> tuple[str, ...]:
    """One paragraph for the policies that a set or table asks for and that this version does not have."""
    lines = (f"- {each.peer}: {each.reason}" for each in absent)
    return ("\n".join(["**Not measured:**", "", *lines]),) if absent else ()


def summary_table(record: Record) -> str:
    """The table of the READMEs: a line for each proxy."""
    head = (
        "",
        "CPU µs per request, 2 fields",
        "12 fields",
        "ratio to Envoy",
        "new connections",
        "CPU s per GiB",
        f"p99 ms at {_rate(record, TWELVE_FIELDS)}",
        f"MiB with {IDLE_CONNECTIONS:,} connections",
    )
    rows = [_summary_row(record, peer, whole) for peer, whole in peer_lines(record) if peer != NO_PROXY]
    return table(head, rows)


def _summary_row(record: Record, peer: str, whole: bool) -> Row:
    twelve, paced = cost(record, TWELVE_FIELDS, peer), latency(record, TWELVE_FIELDS, peer)
    sizes = next((each for each in record.memory if each.peer == peer), None)
    used = sizes and (sizes.all_used_bytes if whole else sizes.worker_used_bytes)
    return (
        FAMILY if whole else peer,
        *(micros(cost(record, scenario, peer), whole) for scenario in (TWO_FIELDS, TWELVE_FIELDS)),
        ratio_to(twelve, cost(record, TWELVE_FIELDS, YARDSTICK), whole),
        micros(cost(record, FRESH, peer), whole),
        seconds(cost(record, BODIES, peer), whole),
        millis(paced.p99_s if paced and not whole else None),
        f"{used / 2**20:.1f}" if used else NOTHING,
    )


def _request_rows(record: Record, scenario: Scenario) -> tuple[Row, list[Row]]:
    head: Row = ("", "requests/s", "busy", "CPU µs", "user", "system", "range", "ratio to Envoy", "p50 ms", "p99 ms")
    head += (f"at {_rate(record, scenario)}: p50 ms", "p99 ms", "p99.9 ms")
    rows: list[Row] = []
    for peer, whole in peer_lines(record):
        seen, paced = cost(record, scenario, peer), latency(record, scenario, peer)
        if seen is None:
            continue
        cpu = seen.all if whole else seen.worker
        parts = (f"{cpu.user_s * 1e6:.1f}", f"{cpu.system_s * 1e6:.1f}") if cpu.total_s else (NOTHING,) * 2
        spread = f"{seen.lowest_s * 1e6:.1f}-{seen.highest_s * 1e6:.1f}" if cpu.total_s and not whole else NOTHING
        ratio = ratio_to(seen, cost(record, scenario, YARDSTICK), whole)
        times = (seen.p50_s, seen.p99_s, *((paced.p50_s, paced.p99_s, paced.p999_s) if paced else (None,) * 3))
        measured = (FAMILY, "", "") if whole else (peer, f"{seen.per_s:,.0f}", busy(seen))
        latencies = ("",) * len(times) if whole else tuple(millis(each) for each in times)
        rows.append((*measured, micros(seen, whole), *parts, spread, ratio, *latencies))
    return head, rows


def _body_rows(record: Record) -> tuple[Row, list[Row]]:
    head = ("", "MiB/s", "busy", "CPU s per GiB", "user", "system", "MiB per CPU s", "ratio to Envoy")
    rows: list[Row] = []
    for peer, whole in peer_lines(record):
        if (seen := cost(record, BODIES, peer)) is None:
            continue
        cpu = seen.all if whole else seen.worker
        parts = (f"{cpu.user_s:.3f}", f"{cpu.system_s:.3f}", f"{1024 / cpu.total_s:,.0f}") if cpu.total_s else ()
        measured = (FAMILY, "", "") if whole else (peer, f"{seen.per_s / 2**20:,.0f}", busy(seen))
        ratio = ratio_to(seen, cost(record, BODIES, YARDSTICK), whole)
        rows.append((*measured, seconds(seen, whole), *(parts or (NOTHING,) * 3), ratio))
    return head, rows


def _memory_rows(record: Record) -> tuple[Row, list[Row]]:
    head = ("", "idle", f"{IDLE_CONNECTIONS:,} connections", "after a request on each", "KiB per connection")
    rows: list[Row] = []
    for each in record.memory:
        _, count, *sizes = astuple(each)
        for name, (idle, connected, used) in ((each.peer, sizes[:3]), (FAMILY, sizes[3:])):
            if name != FAMILY or each.peer == NODEPROXY:
                mebibytes = (f"{size / 2**20:.1f}" for size in (idle, connected, used))
                rows.append((name, *mebibytes, f"{(used - idle) / count / 1024:.1f}"))
    return head, rows


def _rate(record: Record, scenario: Scenario) -> str:
    rates = (f"{run.rate:,.0f}/s" for run in record.paced if run.scenario == scenario.name)
    return next(rates, "a fixed rate")


def with_table(text: str, replacement: str, marker: str = BENCH) -> str | None:
    """The text with what stands between its markers replaced; None when it has none."""
    marked = re.compile(rf"(<!-- {marker}:begin -->\n).*?(<!-- {marker}:end -->)", re.S)
    if not marked.search(text):
        return None
    return marked.sub(lambda found: f"{found[1]}{replacement}\n{found[2]}", text)


def summary(record: Record) -> str:
    """The short tables, and where they come from."""
    goals = goals_table(record)
    return "\n\n".join([*_short_tables(record), *([goals] if goals else []), *missing_lines(record), where(record)])


def _short_tables(record: Record) -> tuple[str, ...]:
    """Those of HTTP/1.1, and of HTTP/2 with gRPC; what was not measured has none."""
    return tuple(each for each in (_http1_table(record), streams_report.short_table(record)) if each)


def _http1_table(record: Record) -> str:
    names = {scenario.name for scenario in SCENARIOS}
    measured = record.memory or record.paced or any(run.scenario in names for run in record.saturated)
    return summary_table(record) if measured else ""


def publish(block: str, readmes: tuple[Path, ...], marker: str = BENCH) -> tuple[Path, ...]:
    """Put `block` between the markers of each README; the value is those that have none."""
    unmarked = []
    for readme in readmes:
        text = with_table(readme.read_text(), block, marker)
        if text is None:
            unmarked.append(readme)
        else:
            readme.write_text(text)
    return tuple(unmarked)


def picture(record: Record) -> dict[str, object]:
    """The numbers that `plot.py` draws: of the 12-field scenario."""
    seen = {peer: cost(record, TWELVE_FIELDS, peer) for peer in peers_of(record)}
    paced = {peer: latency(record, TWELVE_FIELDS, peer) for peer in peers_of(record)}
    return {
        "cpu": [
            [peer, each.worker.user_s, each.worker.system_s] for peer, each in seen.items() if each and peer != NO_PROXY
        ],
        "latency": [[peer, each.p50_s, each.p99_s, each.p999_s] for peer, each in paced.items() if each],
        "rate": next((each.rate for each in paced.values() if each), 0.0),
        "caption": f"{record.date[:10]}, commit {record.commit.hash[:12]}, {record.machine.cpu}, one core per proxy",
    }


def draw(record: Record, toolbox: Toolbox, path: Path) -> None:
    """Draw the picture, in the cache's environment: matplotlib is not for the project's own.

    Raises: NotInstalledError without that environment; BenchmarkError when the run has not what it shows;
    CalledProcessError from matplotlib.
    """
    numbers = picture(record)
    if not numbers["cpu"] or not numbers["latency"]:
        raise BenchmarkError(f"no picture: the scenario {TWELVE_FIELDS.name} was not measured")
    python = toolbox.venv / "bin" / "python"
    if not python.exists():
        raise NotInstalledError("matplotlib is not installed: run `python -m loadtest peers`")
    subprocess.run([python, str(HERE / "plot.py"), str(path)], input=json.dumps(numbers).encode(), check=True)
