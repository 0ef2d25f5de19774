"""The counters as Prometheus families, made on each scrape. Labels are bounded: services, statuses, policy maps."""

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
        yield _counter("retries", "Tries beyond the first.", routes, lambda route: route.stats.retries)
        yield _counter("ejections", "Times an endpoint was ejected.", routes, lambda route: route.ejections)
        yield _gauge("active_requests", "Requests under way.", routes, lambda route: route.active)
        yield _gauge("endpoints", "Endpoints in the table.", routes, lambda route: route.endpoints)
        yield _gauge("usable_endpoints", "Endpoints neither ejected nor unhealthy.", routes, lambda route: route.usable)
        yield _policy_accepted(self._sources.policy_maps())
        yield from self._process()

    def _process(self) -> Iterator[Metric]:
        worker = self._sources.worker
        yield GaugeMetricFamily("nodeproxy_client_connections", "Open client connections.", worker.connections)
        yield CounterMetricFamily(
            "nodeproxy_client_connections_accepted", "Client connections accepted.", worker.accepted
        )
        yield CounterMetricFamily(
            "nodeproxy_client_connections_closed_for_room",
            "Idle client connections closed to admit new ones.",
            worker.closed_for_room,
        )
        yield from self._of_room()
        yield CounterMetricFamily(
            "nodeproxy_connects", "CONNECTs accepted; refused ones count as requests.", worker.connects
        )
        yield CounterMetricFamily("nodeproxy_unexpected_errors", "Bugs: see the log.", worker.bugs)
        yield CounterMetricFamily("nodeproxy_updates", "Updates put in force.", worker.updates)
        yield CounterMetricFamily("nodeproxy_updates_refused", "Updates not put in force.", worker.updates_refused)
        yield CounterMetricFamily("nodeproxy_log_lines_lost", "Access log lines dropped.", worker.log_lines_lost)
        age_s = self._sources.table_age_s()
        yield GaugeMetricFamily(
            "nodeproxy_table_age_seconds",
            "Since discovery last confirmed the table; infinite before the first.",
            inf if age_s is None else age_s,
        )
        slow = CounterMetricFamily("nodeproxy_slow_turns", "Reactor turns that took so long.", labels=["at_least"])
        for bound, turns in zip(self._sources.lag_bounds_s, self._sources.lag, strict=False):
            slow.add_metric([f"{bound:g}"], turns)
        yield slow

    def _of_room(self) -> Iterator[Metric]:
        room = self._sources.room()
        yield GaugeMetricFamily("nodeproxy_open_files_most", "The worker's limit of open files.", room.open_files)
        yield GaugeMetricFamily(
            "nodeproxy_client_connections_most", "Client connections at once, at most.", room.clients_most
        )
        yield GaugeMetricFamily(
            "nodeproxy_virtual_addresses_unserved",
            "Virtual addresses without a listener; the log has the reason.",
            room.unserved,
        )
        short = CounterMetricFamily(
            "nodeproxy_descriptor_shortages", "Sockets not opened for want of a descriptor or memory.", labels=["what"]
        )
        for what, times in self._sources.worker.shortages.items():
            short.add_metric([what], times)
        yield short


def _requests(routes: list[RouteNumbers]) -> Metric:
    family = CounterMetricFamily(
        "nodeproxy_requests",
        "Completed requests. reason is empty for an endpoint's own response.",
        labels=[*SERVICE, "status", "reason", "source_namespace", "source_workload"],
    )
    for route in routes:
        for (status, reason, caller), number in sorted(route.stats.requests.items()):
            family.add_metric([*route.labels, str(status), reason, *caller], number)
    return family


def _durations(routes: list[RouteNumbers]) -> Metric:
    family = HistogramMetricFamily(
        "nodeproxy_request_duration_seconds", "From the request's head to its response's last byte.", labels=SERVICE
    )
    for route in routes:
        total, buckets = 0, []
        for bound, number in zip((*LATENCY_BOUNDS_S, inf), route.stats.buckets, strict=True):
            total += number
            buckets.append(("+Inf" if bound == inf else f"{bound:g}", total))
        family.add_metric(route.labels, buckets, route.stats.seconds)
    return family


def _policy_accepted(maps: Sequence[PolicyMap]) -> Metric:
    family = GaugeMetricFamily(
        "nodeproxy_policy_accepted",
        "Whether all of a policy map is in force; 0: its events list what is refused.",
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
