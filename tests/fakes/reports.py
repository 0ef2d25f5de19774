"""What workers report, as short as a test can say it."""

from nodeproxy.mesh.reports import (
    LATENCY_BOUNDS_S,
    PortCounters,
    PortKey,
    PortReport,
    PortState,
    ProcessCounters,
    ProcessReport,
    ProcessState,
    RequestKind,
)

WEB = PortKey("shop", "web", "80")
API = PortKey("shop", "api", "80")
IDLE = PortState()


def counters(requests=0, retries=0, ejections=0, status=200):
    """So many requests, each within the first bound."""
    durations = (requests, *(0 for _ in LATENCY_BOUNDS_S))
    kinds = ((RequestKind(status, "", "shop", "cart"), requests),) if requests else ()
    return PortCounters(kinds, durations, requests / 4, retries, ejections)


def port(key=WEB, requests=0, state=IDLE, **others):
    return PortReport(key, counters(requests, **others), state)


def process(age_s=0.0, accepted=0, **state):
    return ProcessReport(ProcessCounters(accepted=accepted), ProcessState(table_age_s=age_s, **state))
