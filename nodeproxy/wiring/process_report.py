"""What a worker reports to the control process, read from the data plane's counters and state."""

from collections.abc import Callable

from nodeproxy.control.reports import Sources
from nodeproxy.io.reactor import LAG_BOUNDS_S
from nodeproxy.mesh.reports import Introduction, ProcessCounters, ProcessReport, ProcessState
from nodeproxy.wiring.data_plane import DataPlane


def report_sources(plane: DataPlane, introduction: Introduction, listeners_missing: Callable[[], int]) -> Sources:
    """The sources of the reports of the worker that `introduction` names.

    `listeners_missing` returns the number of virtual addresses without a listener.
    """
    return Sources(
        introduction,
        plane.stats.unrouted,
        lambda: plane.live.table.routes,
        plane.ports.numbers,
        lambda: process_report(plane, listeners_missing()),
    )


def process_report(plane: DataPlane, listeners_missing: int) -> ProcessReport:
    """The numbers of the worker that belong to no service port."""
    stats, confirmed_at = plane.stats, plane.live.confirmed_at
    counters = ProcessCounters(
        accepted=stats.accepted,
        evicted=stats.closed_for_room,
        connects=stats.connects,
        http2_accepted=stats.http2_accepted,
        http2_refused=stats.http2_refused,
        http2_floods=stats.http2_floods,
        bugs=stats.bugs,
        updates=stats.updates,
        updates_rejected=stats.updates_refused,
        log_lines_dropped=stats.log_lines_lost,
        samples_dropped=stats.samples_lost,
        buckets_evicted=plane.buckets.evicted,
        shortages=stats.shortages,
        slow_turns={f"{bound:g}": n for bound, n in zip(LAG_BOUNDS_S, plane.reactor.lag, strict=False)},
    )
    state = ProcessState(
        connections=stats.connections,
        connections_limit=plane.connections.most,
        open_files_limit=plane.capacity.files,
        listeners_missing=listeners_missing,
        udp_sessions=len(plane.sessions),
        udp_sessions_limit=plane.sessions.most,
        table_age_s=None if confirmed_at is None else plane.reactor.clock() - confirmed_at,
    )
    return ProcessReport(counters, state)
