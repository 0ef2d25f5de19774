"""What has happened at a service port between two looks at its counters: rates and latencies. Pure."""

from collections.abc import Iterable, Sequence
from operator import add
from typing import NamedTuple

from nodeproxy.mesh.reports import LATENCY_BOUNDS_S, PortCounters


class Totals(NamedTuple):
    """The counters of a service port that rates are made of."""

    requests: int = 0
    errors: int = 0
    """Responses of 500 and above."""
    retries: int = 0
    durations: tuple[int, ...] = ()
    """Requests by duration; see `reports.PortCounters.durations`."""


class Rate(NamedTuple):
    """What has happened in an interval. Latencies are within the bounds of the histogram."""

    requests_per_s: float = 0.0
    errors_per_s: float = 0.0
    retries_per_s: float = 0.0
    p50_s: float | None = None
    """None where no request has ended."""
    p99_s: float | None = None


def totals_of(some: Iterable[PortCounters]) -> Totals:
    """The totals of a service port, summed over its workers."""
    requests = errors = retries = 0
    durations: tuple[int, ...] = ()
    for counters in some:
        for kind, number in counters.requests:
            requests += number
            if kind.status >= 500:
                errors += number
        retries += counters.retries
        if counters.durations:
            durations = tuple(map(add, durations, counters.durations)) if durations else counters.durations
    return Totals(requests, errors, retries, durations)


def rate_between(before: Totals, now: Totals, elapsed_s: float) -> Rate:
    """What has happened since `before`; numbers that went back mean that its counters began again meanwhile."""
    if now.requests < before.requests:
        before = Totals()
    requests = now.requests - before.requests
    durations: Sequence[int] = now.durations
    if before.durations:  # the other one may be empty: a port that has left the mesh
        durations = [max(0, count - past) for count, past in zip(durations, before.durations, strict=False)]
    return Rate(
        round(requests / elapsed_s, 2),
        round((now.errors - before.errors) / elapsed_s, 2),
        round((now.retries - before.retries) / elapsed_s, 2),
        quantile(durations, 0.5),
        quantile(durations, 0.99),
    )


def quantile(durations: Sequence[int], q: float) -> float | None:
    """The duration that a share `q` does not exceed, between the bounds of its bucket as Prometheus has it.

    None where there is no request; the highest bound for what exceeds all.
    """
    total = sum(durations)
    if total <= 0:
        return None
    rank, below, low = q * total, 0, 0.0
    for count, bound in zip(durations, LATENCY_BOUNDS_S, strict=False):
        if count and below + count >= rank:
            return round(low + (bound - low) * (rank - below) / count, 6)
        below, low = below + count, bound
    return LATENCY_BOUNDS_S[-1]
