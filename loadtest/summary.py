"""What a record's rounds come to: medians per peer and scenario, per request or per GiB moved."""

from dataclasses import dataclass
from statistics import median

from loadtest.procstat import Cpu
from loadtest.record import Record, Saturated
from loadtest.scenarios import Scenario

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Cost:
    """One peer in one saturated scenario. CPU is per request, or per GiB where the scenario counts bytes.

    `busy_ratio` is the share of its core that the peer used: well below 1, something else was the bottleneck, and
    `per_s` (requests, or bytes) says nothing about the peer.
    """

    per_s: float
    busy_ratio: float
    worker: Cpu
    lowest_s: float  # of the worker's total, over the rounds
    highest_s: float
    all: Cpu
    p50_s: float | None
    p99_s: float | None


@dataclass(frozen=True, slots=True)
class Latency:
    """One peer in one paced scenario."""

    rate: float
    p50_s: float
    p99_s: float
    p999_s: float


def peers_of(record: Record) -> tuple[str, ...]:
    """The peers measured, in the order of the run."""
    measured = ([each.peer for each in kind] for kind in (record.memory, record.saturated, record.paced))
    return tuple(dict.fromkeys(peer for peers in measured for peer in peers))


def stolen_ratios(record: Record) -> tuple[float, float]:
    """The share of one core that the hypervisor took: of the run in the middle, and of the most disturbed one."""
    ratios = [run.stolen_s / run.duration_s for run in record.saturated]
    ratios += [run.stolen_s * run.rate / run.requests for run in record.paced if run.requests]
    return (median(ratios), max(ratios)) if ratios else (0.0, 0.0)


def cost(record: Record, scenario: Scenario, peer: str) -> Cost | None:
    """The medians over the rounds; None when it was not measured."""
    runs = [run for run in record.saturated if (run.scenario, run.peer) == (scenario.name, peer)]
    if not runs:
        return None
    workers = [_per_unit(run.worker_cpu, run, scenario) for run in runs]
    return Cost(
        per_s=median((run.received_bytes if scenario.per_byte else run.requests) / run.duration_s for run in runs),
        busy_ratio=median(run.worker_cpu.total_s / run.duration_s for run in runs),
        worker=median_cpu(workers),
        lowest_s=min(cpu.total_s for cpu in workers),
        highest_s=max(cpu.total_s for cpu in workers),
        all=median_cpu([_per_unit(run.all_cpu, run, scenario) for run in runs]),
        p50_s=_median_or_none([run.p50_s for run in runs]),
        p99_s=_median_or_none([run.p99_s for run in runs]),
    )


def latency(record: Record, scenario: Scenario, peer: str) -> Latency | None:
    """The medians over the rounds; None when it was not measured."""
    runs = [run for run in record.paced if (run.scenario, run.peer) == (scenario.name, peer)]
    if not runs:
        return None
    return Latency(
        rate=runs[0].rate,
        p50_s=median(run.p50_s for run in runs),
        p99_s=median(run.p99_s for run in runs),
        p999_s=median(run.p999_s for run in runs),
    )


def median_cpu(cpus: list[Cpu]) -> Cpu:
    """The run in the middle by total, so that user and system still belong together; the mean of two in an even set."""
    ranked = sorted(cpus, key=lambda cpu: cpu.total_s)
    lower, upper = ranked[(len(ranked) - 1) // 2], ranked[len(ranked) // 2]
    return Cpu((lower.user_s + upper.user_s) / 2, (lower.system_s + upper.system_s) / 2)


def _median_or_none(times_s: list[float | None]) -> float | None:
    known = [time_s for time_s in times_s if time_s is not None]
    return median(known) if known else None


def _per_unit(cpu: Cpu, run: Saturated, scenario: Scenario) -> Cpu:
    units = run.received_bytes / GIB if scenario.per_byte else run.requests
    return Cpu(cpu.user_s / units, cpu.system_s / units) if units else Cpu()
