"""The counters as Prometheus reads them."""

from math import inf

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from nodeproxy.mesh.wire import PolicyMap
from nodeproxy.telemetry.metrics import Room, RouteNumbers, Sources, WorkerCollector
from nodeproxy.telemetry.stats import LATENCY_BOUNDS_S, RouteStats, TunnelStats, WorkerStats

WEB = ("shop", "web", "80")
ROOM = Room(open_files=1024, clients_most=180, unserved=3)
CALLER = ("shop", "cart")
ORDER = ("namespace", "service", "port", "status", "reason", "source_workload", "le", "at_least_seconds")
LABELS = dict(zip(("namespace", "service", "port"), WEB, strict=True))


class Scrape:
    """What Prometheus knows after it has asked a worker with these numbers."""

    def __init__(self, stats=None, worker=None, age_s=1.5, route=(0, 0, 0, 0), maps=(), room=ROOM):
        routes = [RouteNumbers(WEB, stats or RouteStats(), *route)]
        bounds, lag = (0.001, 0.25, 1.0), [5, 3, 1, 0]
        sources = Sources(
            worker or WorkerStats(), lambda: iter(routes), lambda: age_s, bounds, lag, lambda: maps, lambda: room
        )
        registry = CollectorRegistry()
        registry.register(WorkerCollector(sources))
        self.families = list(text_string_to_metric_families(generate_latest(registry).decode()))
        self._samples = [sample for family in self.families for sample in family.samples]

    def values(self, name):
        """By the values of its labels, in the order of ORDER."""
        return {
            tuple(sample.labels[label] for label in ORDER if label in sample.labels): sample.value
            for sample in self._samples
            if sample.name == name
        }

    def value(self, name, **labels):
        (value,) = (s.value for s in self._samples if s.name == name and s.labels == labels)
        return value


def test_requests_are_told_by_status_and_reason():
    stats = RouteStats()
    for status, reason in [(200, ""), (200, ""), (503, ""), (503, "no-endpoints"), (499, "client-gone")]:
        stats.count(status, reason, CALLER, 0.01)

    assert Scrape(stats).values("nodeproxy_requests_total") == {
        (*WEB, "200", "", "cart"): 2,
        (*WEB, "503", "", "cart"): 1,
        (*WEB, "503", "no-endpoints", "cart"): 1,
        (*WEB, "499", "client-gone", "cart"): 1,
    }


def test_requests_that_reached_no_service_have_none_in_their_labels():
    worker = WorkerStats()
    worker.unrouted.count(404, "unknown-service", CALLER, 0.0)

    scrape = Scrape(worker=worker)

    assert scrape.values("nodeproxy_requests_total") == {("", "", "", "404", "unknown-service", "cart"): 1}
    assert set(scrape.values("nodeproxy_request_duration_seconds_count")) == {WEB}


def test_buckets_are_cumulative_and_end_with_all():
    stats = RouteStats()
    for elapsed_s in (0.0, 0.0005, 0.00051, 0.3, 10.0, 99.0):
        stats.count(200, "", CALLER, elapsed_s)

    scrape = Scrape(stats)

    told = scrape.values("nodeproxy_request_duration_seconds_bucket")
    buckets = {float(bound): number for (*_, bound), number in told.items()}
    assert list(buckets) == [*LATENCY_BOUNDS_S, inf]
    assert list(buckets.values()) == sorted(buckets.values())
    assert [buckets[bound] for bound in (0.0005, 0.001, 0.25, 0.5, 10.0, inf)] == [2, 3, 3, 4, 5, 6]
    assert scrape.value("nodeproxy_request_duration_seconds_count", **LABELS) == 6
    assert scrape.value("nodeproxy_request_duration_seconds_sum", **LABELS) == pytest.approx(109.30101)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nodeproxy_retries_total", 9),
        ("nodeproxy_outlier_ejections_total", 1),
        ("nodeproxy_requests_active", 2),
        ("nodeproxy_endpoints", 5),
        ("nodeproxy_endpoints_usable", 4),
    ],
)
def test_a_route_tells_each_of_its_numbers(name, value):
    stats = RouteStats()
    stats.retries = 9

    assert Scrape(stats, route=(1, 2, 5, 4)).value(name, **LABELS) == value


def test_tunnels_are_told_once_a_service_has_had_one():
    stats, none_yet = RouteStats(), Scrape()
    tunnels = stats.tunnels = TunnelStats()
    tunnels.active, tunnels.bytes = 2, {"to_endpoint": 10, "to_client": 20}
    tunnels.ended[""], tunnels.ended["timeout"] = 3, 1

    scrape = Scrape(stats)

    assert none_yet.values("nodeproxy_tunnels_active") == {}
    assert scrape.value("nodeproxy_tunnels_active", **LABELS) == 2
    assert scrape.values("nodeproxy_tunnels_ended_total") == {(*WEB, ""): 3, (*WEB, "timeout"): 1}
    assert scrape.value("nodeproxy_tunnel_bytes_total", **LABELS, direction="to_endpoint") == 10
    assert scrape.value("nodeproxy_tunnel_bytes_total", **LABELS, direction="to_client") == 20


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("nodeproxy_downstream_connections", "connections"),
        ("nodeproxy_downstream_connections_accepted_total", "accepted"),
        ("nodeproxy_connect_requests_total", "connects"),
        ("nodeproxy_unexpected_errors_total", "bugs"),
        ("nodeproxy_table_updates_total", "updates"),
        ("nodeproxy_table_updates_rejected_total", "updates_refused"),
        ("nodeproxy_access_log_lines_dropped_total", "log_lines_lost"),
    ],
)
def test_a_worker_tells_each_of_its_numbers(name, attribute):
    worker = WorkerStats()
    setattr(worker, attribute, 7)

    assert Scrape(worker=worker).value(name) == 7


@pytest.mark.parametrize(("age_s", "told"), [(None, inf), (0.0, 0.0), (2.5, 2.5)])
def test_the_tables_age_is_infinite_before_the_first(age_s, told):
    assert Scrape(age_s=age_s).value("nodeproxy_table_age_seconds") == told


def test_slow_turns_are_told_by_the_bounds_they_reached():
    turns = Scrape().values("nodeproxy_reactor_slow_turns_total")

    assert turns == {("0.001",): 5, ("0.25",): 3, ("1",): 1}


def test_a_policy_map_is_in_force_or_is_not():
    scrape = Scrape(maps=(PolicyMap("nodeproxy", "nodeproxy-policy", True), PolicyMap("shop", "mesh", False)))

    assert scrape.value("nodeproxy_policy_accepted", namespace="nodeproxy", configmap="nodeproxy-policy") == 1
    assert scrape.value("nodeproxy_policy_accepted", namespace="shop", configmap="mesh") == 0


def test_every_family_is_ours_and_says_what_it_is():
    families = Scrape().families

    assert len({family.name for family in families}) == len(families)
    assert all(family.name.startswith("nodeproxy_") and family.documentation for family in families)


def test_a_mesh_without_services_can_be_asked():
    sources = Sources(WorkerStats(), lambda: iter(()), lambda: None, (), [], tuple, lambda: ROOM)

    assert sum(len(family.samples) for family in WorkerCollector(sources).collect()) == 16


def test_room_for_clients_and_what_could_not_be_opened_are_told():
    worker = WorkerStats()
    worker.closed_for_room = 2
    worker.shortages["endpoint"] = 5

    scrape = Scrape(worker=worker)

    assert scrape.value("nodeproxy_open_files_limit") == 1024
    assert scrape.value("nodeproxy_downstream_connections_limit") == 180
    assert scrape.value("nodeproxy_virtual_listeners_missing") == 3
    assert scrape.value("nodeproxy_downstream_connections_evicted_total") == 2
    assert scrape.value("nodeproxy_socket_shortages_total", purpose="endpoint") == 5
    assert scrape.value("nodeproxy_socket_shortages_total", purpose="accept") == 0
