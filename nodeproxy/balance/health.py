"""The health of an endpoint: recent failures to connect, and the results of health probes.

An endpoint is usable unless it is ejected (passive; an ejection ends by itself) or unhealthy by its probes (active;
ends when probes succeed again).
"""

from dataclasses import dataclass

EJECTION_S = 1.0  # Linkerd's failure-accrual min-penalty
EJECTION_MAX_S = 60.0  # and its max-penalty


@dataclass(slots=True)
class Health:
    """The health of one endpoint. Lives as long as the endpoint is in its service."""

    failures: int = 0
    """Consecutive failures to connect."""
    ejected_until: float = 0.0
    """Monotonic seconds."""
    probes_down: bool = False
    ejections: int = 0
    """Number of ejections so far."""


def usable(health: Health, now: float) -> bool:
    """Whether the endpoint may be chosen at `now` (monotonic seconds). A new endpoint is usable."""
    return not health.probes_down and now >= health.ejected_until


def connect_failed(health: Health, now: float) -> None:
    """Eject the endpoint: for EJECTION_S, doubled for each consecutive failure, at most EJECTION_MAX_S.

    Failures of concurrent requests count once: an ejected endpoint is not ejected again.
    """
    if now < health.ejected_until:
        return
    health.failures += 1
    health.ejections += 1
    health.ejected_until = now + min(EJECTION_S * 2 ** min(health.failures - 1, 10), EJECTION_MAX_S)


def connected(health: Health) -> None:
    """The endpoint has accepted a connection: reset its failures and end its ejection."""
    health.failures = 0
    health.ejected_until = 0.0


@dataclass(slots=True)
class ProbeRecord:
    """Consecutive results of active probes."""

    successes: int = 0
    failures: int = 0


def probed(health: Health, record: ProbeRecord, ok: bool, healthy_after: int, unhealthy_after: int) -> bool:
    """Record a probe's result; returns whether it has changed the endpoint's health."""
    record.successes, record.failures = (record.successes + 1, 0) if ok else (0, record.failures + 1)
    was_down = health.probes_down
    if ok and record.successes >= healthy_after:
        health.probes_down = False
    elif not ok and record.failures >= unhealthy_after:
        health.probes_down = True
    return health.probes_down != was_down
