"""What a run leaves behind, and the tables that people read."""

from dataclasses import dataclass
from statistics import quantiles

from loadtest.cells import table
from loadtest.cluster.churn import Churn
from loadtest.machine import Commit, Machine

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Weight:
    """Memory of one node, in proportional set size: all of it, its worker, its discovery."""

    endpoints: int
    on_demand: bool
    all_bytes: int
    worker_bytes: int
    discovery_bytes: int
    slice_watches: int  # that the API server serves this node


@dataclass(frozen=True, slots=True)
class Outage:
    """Requests that ran on while something happened to the API server."""

    what: str
    requests: int
    failures: dict[str, int]
    in_force_s: float
    """From the API server's being ready again until a change that was written to it then was in force."""


@dataclass(frozen=True, slots=True)
class ClusterRecord:
    """A whole run."""

    date: str
    commit: Commit
    machine: Machine
    kubernetes: str
    weights: tuple[Weight, ...]
    churns: tuple[Churn, ...]
    outages: tuple[Outage, ...]


def markdown(record: ClusterRecord) -> str:
    """The tables, and where they come from."""
    parts = [_weights(record), _churns(record), _outages(record)]
    where = (
        f"{record.date}, commit {record.commit.hash[:12]}{' with local changes' * record.commit.dirty}; "
        f"{record.machine.cpu}, {record.machine.cores} cores for API server, etcd, writers, pods and node together, "
        f"Kubernetes {record.kubernetes}."
    )
    return "\n\n".join([*(part for part in parts if part), where]) + "\n"


def _weights(record: ClusterRecord) -> str:
    head = ("endpoints in the mesh", "followed", "MiB of the node", "worker", "discovery", "watches of slices")
    rows = [
        (
            f"{each.endpoints:,}", "20 services, on demand" if each.on_demand else "all",
            *(f"{size / MIB:.1f}" for size in (each.all_bytes, each.worker_bytes, each.discovery_bytes)),
            str(each.slice_watches),
        )
        for each in record.weights
    ]  # fmt: skip
    return table(head, rows) if rows else ""


def _churns(record: ClusterRecord) -> str:
    head = (
        "endpoints", "followed", "changes/s", "change to traffic, p50 ms", "p99 ms", "failed requests",
        "discovery, ms of CPU per s", "worker",
    )  # fmt: skip
    rows = []
    for each in record.churns:
        ranks = quantiles(each.to_traffic_s, n=100, method="inclusive")
        rows.append(
            (
                f"{each.endpoints:,}", "20 services, on demand" if each.on_demand else "all",
                f"{each.changes / each.duration_s:.0f}", f"{ranks[49] * 1e3:.0f}", f"{ranks[98] * 1e3:.0f}",
                f"{sum(each.failures.values())} of {each.requests:,}",
                f"{each.discovery_cpu_s / each.duration_s * 1e3:.0f}",
                f"{each.worker_cpu_s / each.duration_s * 1e3:.0f}",
            )
        )  # fmt: skip
    return table(head, rows) if rows else ""


def _outages(record: ClusterRecord) -> str:
    head = ("what happens to the API server under load", "failed requests", "s until the next change is in force")
    rows = [
        (each.what, f"{sum(each.failures.values())} of {each.requests:,}", f"{each.in_force_s:.2f}")
        for each in record.outages
    ]
    return table(head, rows) if rows else ""
