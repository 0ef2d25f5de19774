"""The sums of what workers have counted: of one service port, and of the workers themselves. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from nodeproxy.mesh.reports import (
    ConnectionCounters,
    PortCounters,
    ProcessCounters,
    TracedRequest,
    UdpCounters,
)

_K = TypeVar("_K")


def ports_added(all_counters: Iterable[PortCounters]) -> PortCounters:
    """The sum of the counters of one service port."""
    some = tuple(all_counters)
    if len(some) == 1:
        return some[0]
    durations = zip(*(each.durations for each in some if each.durations), strict=True)
    return PortCounters(
        _pairs_added(each.requests for each in some),
        tuple(map(sum, durations)),
        sum(each.seconds for each in some),
        sum(each.retries for each in some),
        sum(each.ejections for each in some),
        _added(each.tunnels_ended for each in some),
        _added(each.tunnel_bytes for each in some),
        _pairs_added(each.decisions for each in some),
        _added(each.calls for each in some),
        _connections_added([each.connections for each in some]),
        _udp_added([each.udp for each in some if each.udp is not None]),
        _added(each.redis_commands for each in some),
        _added(each.own_policy_calls for each in some),
        _seconds_added(each.own_policy_seconds for each in some),
        _newest([each for counters in some for each in counters.exemplars]),
    )


def _seconds_added(some: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for each in some:
        for name, seconds in each.items():
            total[name] = total.get(name, 0.0) + seconds
    return total


def _newest(exemplars: Sequence[TracedRequest]) -> tuple[TracedRequest, ...]:
    by_bucket = {each.bucket: each for each in sorted(exemplars, key=lambda each: each.at)}
    return tuple(by_bucket[bucket] for bucket in sorted(by_bucket))


def _connections_added(some: Sequence[ConnectionCounters]) -> ConnectionCounters:
    return ConnectionCounters(
        sum(each.opened for each in some),
        _pairs_added(each.ended for each in some),
        _added(each.bytes for each in some),
        sum(each.seconds for each in some),
    )


def _udp_added(some: Sequence[UdpCounters]) -> UdpCounters | None:
    if not some:
        return None
    return UdpCounters(
        _pairs_added(each.sessions for each in some),
        _added(each.datagrams for each in some),
        _added(each.bytes for each in some),
        _added(each.dropped for each in some),
    )


def processes_added(all_counters: Iterable[ProcessCounters]) -> ProcessCounters:
    """The sum of the counters of several workers."""
    some = tuple(all_counters)
    return ProcessCounters(
        accepted=sum(each.accepted for each in some),
        evicted=sum(each.evicted for each in some),
        connects=sum(each.connects for each in some),
        http2_accepted=sum(each.http2_accepted for each in some),
        http2_refused=sum(each.http2_refused for each in some),
        http2_floods=sum(each.http2_floods for each in some),
        bugs=sum(each.bugs for each in some),
        updates=sum(each.updates for each in some),
        updates_rejected=sum(each.updates_rejected for each in some),
        log_lines_dropped=sum(each.log_lines_dropped for each in some),
        samples_dropped=sum(each.samples_dropped for each in some),
        buckets_evicted=sum(each.buckets_evicted for each in some),
        shortages=_added(each.shortages for each in some),
        slow_turns=_added(each.slow_turns for each in some),
    )


def _added(all_counts: Iterable[Mapping[_K, int]]) -> dict[_K, int]:
    total: dict[_K, int] = {}
    for counts in all_counts:
        if counts:  # most are empty
            for key, number in counts.items():
                total[key] = total.get(key, 0) + number
    return total


def _pairs_added(all_counts: Iterable[Iterable[tuple[_K, int]]]) -> tuple[tuple[_K, int], ...]:
    total: dict[_K, int] = {}
    for counts in all_counts:
        for key, number in counts:
            total[key] = total.get(key, 0) + number
    return tuple(total.items())
