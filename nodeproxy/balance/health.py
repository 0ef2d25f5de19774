"""The health of an endpoint: recent failures to connect, ejection as an outlier, and the results of health probes.

An endpoint is usable unless it is ejected (passive; an ejection ends by itself) or unhealthy by its probes (active;
ends when probes succeed again). What policies learn of it is here too: it survives updates
as the endpoint does.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodeproxy.balance.latency import Latency
    from nodeproxy.balance.outlier_record import OutlierRecord
    from nodeproxy.balance.refusals import Refusals

EJECTION_S = 1.0  # Linkerd's failure-accrual min-penalty
EJECTION_MAX_S = 60.0  # and its max-penalty


@dataclass(slots=True)
class Health:
    """The health of one endpoint. Lives as long as the endpoint is in its service."""

    failures: int = 0
    """Consecutive failures to connect."""
    ejected_until: float = 0.0
    """When the ejection after a failed connect ends, monotonic seconds."""
    probes_down: bool = False
    ejections: int = 0
    """Number of ejections so far, of either kind."""
    joined_at: float = 0.0
    """When the endpoint joined its service, monotonic seconds: it warms up from then on."""
    outlier_until: float = 0.0
    """When its ejection as an outlier ends, monotonic seconds."""
    outlier: "OutlierRecord | None" = None
    """What `outlierDetection` remembers of it."""
    latency: "Latency | None" = None
    """Its expected latency, where PEAK_EWMA measures it."""
    refusals: "Refusals | None" = None
    """Its refusals of load, where `loadBalancer.shedding` notes them."""
    weight: float = 1.0
    """Its share of requests beside an endpoint with the weight 1, when it was last computed; see `weighted`."""


def usable(health: Health, now: float) -> bool:
    """Whether the endpoint may be chosen at `now` (monotonic seconds). A new endpoint is usable."""
    return not health.probes_down and now >= health.ejected_until and now >= health.outlier_until


def as_without_policies(health: Health) -> None:
    """Lift what policies have imposed: they may be others now, and those in force impose it again."""
    health.outlier_until = 0.0
    health.weight = 1.0


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
    """The endpoint has accepted a connection: reset its failures and end the ejection that they have caused."""
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
