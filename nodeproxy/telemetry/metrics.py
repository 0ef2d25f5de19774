"""The counters as Prometheus metric families, built at each scrape.

Labels are bounded: services, statuses, policy maps.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from nodeproxy.mesh.wire import PolicyMap
from nodeproxy.telemetry.stats import LATENCY_BOUNDS_S, RouteStats, WorkerStats

SERVICE = ("namespace", "service", "port")


@dataclass(frozen=True, slots=True)
class RouteNumbers:
    """One route as metrics see it."""

    labels: tuple[str, str, str]
    stats: RouteStats
    ejections: int
    active: int
    endpoints: int
    usable: int


@dataclass(frozen=True, slots=True)
class Room:
    """The limits of a worker's descriptors, and the virtual addresses that it could not serve."""

    open_files: int
    clients_most: int
    unserved: int


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of a worker's numbers. Ages and bounds are seconds."""

    worker: WorkerStats
    routes: Callable[[], Iterator[RouteNumbers]]
    table_age_s: Callable[[], float | None]
    lag_bounds_s: tuple[float, ...]
    lag: list[int]
    policy_maps: Callable[[], Sequence[PolicyMap]]
    room: Callable[[], Room]


class WorkerCollector(Collector):
    """All families of one worker."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        routes = list(self._sources.routes())
        unrouted = RouteNumbers(("", "", ""), self._sources.worker.unrouted, 0, 0, 0, 0)
        yield _requests([*routes, unrouted])
        yield _durations(routes)
        yield _counter("retries", "Attempts after the first of a request.", routes, lambda route: route.stats.retries)
        yield _counter(
            "outlier_ejections", "Ejections of endpoints by outlier detection.", routes, lambda route: route.ejections
        )
        yield _gauge("requests_active", "Requests in flight.", routes, lambda route: route.active)
        yield _gauge("endpoints", "Endpoints of the service port in the table.", routes, lambda route: route.endpoints)
        yield _gauge("endpoints_usable", "Endpoints neither ejected nor unhealthy.", routes, lambda route: route.usable)
        yield from _tunnels(routes)
        yield _policy_accepted(self._sources.policy_maps())
        yield from self._process()

    def _process(self) -> Iterator[Metric]:
        worker = self._sources.worker
        yield GaugeMetricFamily("nodeproxy_downstream_connections", "Open downstream connections.", worker.connections)
        yield CounterMetricFamily(
            "nodeproxy_downstream_connections_accepted", "Downstream connections accepted.", worker.accepted
        )
        yield CounterMetricFamily(
            "nodeproxy_downstream_connections_evicted",
            "Idle downstream connections closed at the limit.",
            worker.closed_for_room,
        )
        yield from self._of_room()
        yield CounterMetricFamily(
            "nodeproxy_connect_requests",
            "CONNECT requests accepted; refused ones count in nodeproxy_requests.",
            worker.connects,
        )
        yield CounterMetricFamily(
            "nodeproxy_unexpected_errors", "Exceptions that indicate a bug; the log has the traceback.", worker.bugs
        )
        yield CounterMetricFamily(
            "nodeproxy_table_updates", "Updates from discovery installed in the table.", worker.updates
        )
        yield CounterMetricFamily(
            "nodeproxy_table_updates_rejected", "Updates from discovery rejected as invalid.", worker.updates_refused
        )
        yield CounterMetricFamily(
            "nodeproxy_access_log_lines_dropped",
            "Access log lines dropped because their buffer was full.",
            worker.log_lines_lost,
        )
        age_s = self._sources.table_age_s()
        yield GaugeMetricFamily(
            "nodeproxy_table_age_seconds",
            "Time since discovery last confirmed the table; +Inf before the first table.",
            inf if age_s is None else age_s,
        )
        slow = CounterMetricFamily(
            "nodeproxy_reactor_slow_turns",
            "Reactor turns by the highest bound they reached.",
            labels=["at_least_seconds"],
        )
        for bound, turns in zip(self._sources.lag_bounds_s, self._sources.lag, strict=False):
            slow.add_metric([f"{bound:g}"], turns)
        yield slow

    def _of_room(self) -> Iterator[Metric]:
        room = self._sources.room()
        yield GaugeMetricFamily(
            "nodeproxy_open_files_limit", "Limit of open files of the worker (RLIMIT_NOFILE).", room.open_files
        )
        yield GaugeMetricFamily(
            "nodeproxy_downstream_connections_limit", "Limit of concurrent downstream connections.", room.clients_most
        )
        yield GaugeMetricFamily(
            "nodeproxy_virtual_listeners_missing",
            "Virtual addresses without a listener; the log has the reason.",
            room.unserved,
        )
        short = CounterMetricFamily(
            "nodeproxy_socket_shortages", "Sockets not opened for lack of a descriptor or memory.", labels=["purpose"]
        )
        for what, times in self._sources.worker.shortages.items():
            short.add_metric([what], times)
        yield short


def _requests(routes: list[RouteNumbers]) -> Metric:
    family = CounterMetricFamily(
        "nodeproxy_requests",
        "Completed requests. reason is empty if the response came from an endpoint.",
        labels=[*SERVICE, "status", "reason", "source_namespace", "source_workload"],
    )
    for route in routes:
        for (status, reason, caller), number in sorted(route.stats.requests.items()):
            family.add_metric([*route.labels, str(status), reason, *caller], number)
    return family


def _durations(routes: list[RouteNumbers]) -> Metric:
    family = HistogramMetricFamily(
        "nodeproxy_request_duration_seconds",
        "Time from the request's head to the response's last byte.",
        labels=SERVICE,
    )
    for route in routes:
        total, buckets = 0, []
        for bound, number in zip((*LATENCY_BOUNDS_S, inf), route.stats.buckets, strict=True):
            total += number
            buckets.append(("+Inf" if bound == inf else f"{bound:g}", total))
        family.add_metric(route.labels, buckets, route.stats.seconds)
    return family


def _tunnels(routes: list[RouteNumbers]) -> Iterator[Metric]:
    active = GaugeMetricFamily(
        "nodeproxy_tunnels_active", "Connections upgraded to another protocol (101), open now.", labels=SERVICE
    )
    ended = CounterMetricFamily(
        "nodeproxy_tunnels_ended",
        "Upgraded connections that have ended. reason is empty if both sides closed.",
        labels=[*SERVICE, "reason"],
    )
    relayed = CounterMetricFamily(
        "nodeproxy_tunnel_bytes", "Bytes relayed on upgraded connections.", labels=[*SERVICE, "direction"]
    )
    for route in routes:
        tunnels = route.stats.tunnels
        if tunnels is not None:
            active.add_metric(route.labels, tunnels.active)
            for reason, number in sorted(tunnels.ended.items()):
                ended.add_metric([*route.labels, reason], number)
            for direction, number in tunnels.bytes.items():
                relayed.add_metric([*route.labels, direction], number)
    yield from (active, ended, relayed)


def _policy_accepted(maps: Sequence[PolicyMap]) -> Metric:
    family = GaugeMetricFamily(
        "nodeproxy_policy_accepted",
        "1 if the whole policy map is in force, 0 if a part was rejected; its events have the reason.",
        labels=["namespace", "configmap"],
    )
    for each in maps:
        family.add_metric([each.namespace, each.name], each.accepted)
    return family


def _counter(name: str, text: str, routes: list[RouteNumbers], value: Callable[[RouteNumbers], int]) -> Metric:
    family = CounterMetricFamily(f"nodeproxy_{name}", text, labels=SERVICE)
    for route in routes:
        family.add_metric(route.labels, value(route))
    return family


def _gauge(name: str, text: str, routes: list[RouteNumbers], value: Callable[[RouteNumbers], int]) -> Metric:
    family = GaugeMetricFamily(f"nodeproxy_{name}", text, labels=SERVICE)
    for route in routes:
        family.add_metric(route.labels, value(route))
    return family
