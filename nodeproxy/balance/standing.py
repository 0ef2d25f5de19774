"""The standing of an endpoint in one worker: all that balancing and its policies know of it, for people who ask."""

from typing import NamedTuple

from nodeproxy.balance.health import Health, usable


class Standing(NamedTuple):
    """Numbers of one endpoint now. What no policy asks for has the value that it has for a new endpoint."""

    usable: bool
    """Whether it may be chosen, the panic threshold aside."""
    unhealthy: bool
    """Whether its health probes fail."""
    connect_failures: int
    """Consecutive failures to connect."""
    ejected_s: float
    """Until its ejection ends, of either kind; 0 when it is not ejected."""
    ejections: int
    """So far, of either kind."""
    weight: float
    """Its share beside an endpoint that neither warms up nor refuses load, as last computed."""
    latency_s: float | None
    """Its expected latency by PEAK_EWMA."""
    errors: int
    """Consecutive errors, by outlierDetection, and so the next two."""
    gateway_errors: int
    local_failures: int
    success_rate: float | None
    """Of the last interval, 0 to 1."""
    interval_requests: int
    outlier_ejections: int
    """Ejections by outlierDetection so far; in shadow mode, those that would have been."""
    outlier_why: str
    """The outcome of the last of them, "" without one."""


def standing(health: Health, now: float) -> Standing:
    """The standing of the endpoint with this health at `now`, monotonic seconds."""
    record, latency = health.outlier, health.latency
    return Standing(
        usable=usable(health, now),
        unhealthy=health.probes_down,
        connect_failures=health.failures,
        ejected_s=max(0.0, health.ejected_until - now, health.outlier_until - now),
        ejections=health.ejections,
        weight=health.weight,
        latency_s=None if latency is None else latency.estimate_s(now),
        errors=record.errors if record else 0,
        gateway_errors=record.gateway_errors if record else 0,
        local_failures=record.local_failures if record else 0,
        success_rate=record.success_rate if record else None,
        interval_requests=record.requests if record else 0,
        outlier_ejections=record.ejections if record else 0,
        outlier_why=record.why if record else "",
    )
