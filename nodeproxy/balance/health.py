"""What the mesh remembers of an endpoint: did connecting to it fail lately, do probes reach it.

Two judges, one sentence: an endpoint is usable unless it is ejected (passive, by itself over after a while) or found
unhealthy by probes (active, over when probes succeed again).
"""

from dataclasses import dataclass

EJECTION_S = 1.0  # Linkerd's failure-accrual min-penalty
EJECTION_MAX_S = 60.0  # and its max-penalty


@dataclass(slots=True)
class Health:
    """The memory of one endpoint. Kept while the endpoint stays in its service."""

    failures: int = 0
    """Connects that failed in a row."""
    ejected_until: float = 0.0
    """Monotonic seconds."""
    probes_down: bool = False
    ejections: int = 0
    """How often it has been ejected, ever."""


def usable(health: Health, now: float) -> bool:
    """Whether the endpoint may be chosen at `now` (monotonic seconds). One never seen before is usable."""
    return not health.probes_down and now >= health.ejected_until


def connect_failed(health: Health, now: float) -> None:
    """Eject the endpoint: for EJECTION_S, doubled for each failure in a row, at most EJECTION_MAX_S.

    Failures of requests that were under way together count once: an endpoint that is ejected is not ejected again.
    """
    if now < health.ejected_until:
        return
    health.failures += 1
    health.ejections += 1
    health.ejected_until = now + min(EJECTION_S * 2 ** min(health.failures - 1, 10), EJECTION_MAX_S)


def connected(health: Health) -> None:
    """The endpoint has accepted a connection: earlier failures are forgotten."""
    health.failures = 0
    health.ejected_until = 0.0


@dataclass(slots=True)
class ProbeRecord:
    """Results in a row, of active probes."""

    successes: int = 0
    failures: int = 0


def probed(health: Health, record: ProbeRecord, ok: bool, healthy_after: int, unhealthy_after: int) -> bool:
    """Note one probe's result; true when it has changed whether the endpoint counts as healthy."""
    record.successes, record.failures = (record.successes + 1, 0) if ok else (0, record.failures + 1)
    was_down = health.probes_down
    if ok and record.successes >= healthy_after:
        health.probes_down = False
    elif not ok and record.failures >= unhealthy_after:
        health.probes_down = True
    return health.probes_down != was_down
