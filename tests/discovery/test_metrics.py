"""The workers' reports as Prometheus reads them."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis.strategies import characters, integers, lists, text, tuples
from msgspec.structs import replace
from prometheus_client.core import CounterMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from discovery.observe.lines import TEMPLATES_MOST, PortFamily, escaped, rendered
from discovery.observe.metrics import NodeMetrics
from discovery.workers.reports import Reports
from nodeproxy.mesh.reports import (
    LATENCY_BOUNDS_S,
    UNROUTED,
    ConnectionCounters,
    Decision,
    EndKind,
    Introduction,
    PortCounters,
    PortKey,
    PortReport,
    PortState,
    ProcessCounters,
    ProcessReport,
    ProcessState,
    RequestKind,
    UdpCounters,
)
from nodeproxy.mesh.wire import PolicyMap
from tests.fakes.reports import WEB, port, process

CALLER = ("shop", "cart")
NO_DURATIONS = (0,) * (len(LATENCY_BOUNDS_S) + 1)
ORDER = ("namespace", "service", "port", "status", "reason", "source_workload", "le", "at_least_seconds")
LABELS = dict(zip(("namespace", "service", "port"), WEB, strict=True))


class Scrape:
    """What Prometheus knows after it has asked a node whose workers have reported this."""

    def __init__(self, *workers, maps=()):
        reports = Reports(now=lambda: 100.0)
        for number, messages in enumerate(workers):
            for message in (Introduction(number, number), *messages):
                reports.note(number, message)
        page = NodeMetrics().text(reports.numbers(), maps)
        self.families = list(text_string_to_metric_families(page.decode()))
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


def counted(*requests, key=WEB):
    """A report of a port with these requests: status, reason, number."""
    kinds = tuple((RequestKind(status, reason, *CALLER), number) for status, reason, number in requests)
    return PortReport(key, PortCounters(kinds, NO_DURATIONS))


def test_requests_are_told_by_status_and_reason():
    scrape = Scrape([counted((200, "", 2), (503, "", 1), (503, "no-endpoints", 1), (499, "client-gone", 1))])

    assert scrape.values("nodeproxy_requests_total") == {
        (*WEB, "200", "", "cart"): 2,
        (*WEB, "503", "", "cart"): 1,
        (*WEB, "503", "no-endpoints", "cart"): 1,
        (*WEB, "499", "client-gone", "cart"): 1,
    }


def test_requests_of_two_workers_are_one_series():
    scrape = Scrape([counted((200, "", 2))], [counted((200, "", 3), (503, "", 1))])

    assert scrape.values("nodeproxy_requests_total") == {(*WEB, "200", "", "cart"): 5, (*WEB, "503", "", "cart"): 1}


def test_requests_that_reached_no_service_have_none_in_their_labels():
    scrape = Scrape([counted((404, "unknown-service", 1), key=UNROUTED), counted()])

    assert scrape.values("nodeproxy_requests_total") == {("", "", "", "404", "unknown-service", "cart"): 1}
    assert set(scrape.values("nodeproxy_request_duration_seconds_count")) == {WEB}


def test_buckets_are_cumulative_and_end_with_all():
    durations = [0] * (len(LATENCY_BOUNDS_S) + 1)
    durations[0], durations[1], durations[9], durations[13], durations[14] = 2, 1, 1, 1, 1

    scrape = Scrape([PortReport(WEB, PortCounters((), tuple(durations), 109.5))])

    told = scrape.values("nodeproxy_request_duration_seconds_bucket")
    buckets = {float(bound): number for (*_, bound), number in told.items()}
    assert list(buckets) == [*LATENCY_BOUNDS_S, inf]
    assert [buckets[bound] for bound in (0.0005, 0.001, 0.25, 0.5, 10.0, inf)] == [2, 3, 3, 4, 5, 6]
    assert scrape.value("nodeproxy_request_duration_seconds_count", **LABELS) == 6
    assert scrape.value("nodeproxy_request_duration_seconds_sum", **LABELS) == 109.5


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
def test_a_port_tells_each_of_its_numbers(name, value):
    scrape = Scrape([port(retries=9, ejections=1, state=PortState(2, 5, 4))])

    assert scrape.value(name, **LABELS) == value


def test_tunnels_are_reported_once_a_service_has_had_one():
    counters = PortCounters((), NO_DURATIONS, 0.0, 0, 0, {"": 3, "timeout": 1}, {"to_endpoint": 10, "to_client": 20})
    one = PortReport(WEB, counters, PortState(0, 1, 1, 2))

    scrape = Scrape([one], [one])

    assert Scrape([port()]).values("nodeproxy_tunnels_active") == {}
    assert scrape.value("nodeproxy_tunnels_active", **LABELS) == 4
    assert scrape.values("nodeproxy_tunnels_ended_total") == {(*WEB, ""): 6, (*WEB, "timeout"): 2}
    assert scrape.value("nodeproxy_tunnel_bytes_total", **LABELS, direction="to_endpoint") == 20
    assert scrape.value("nodeproxy_tunnel_bytes_total", **LABELS, direction="to_client") == 40


def test_tcp_connections_are_reported_once_a_service_has_had_one():
    ended = ((EndKind("", *CALLER), 3), (EndKind("connection-lost", *CALLER), 1))
    counters = ConnectionCounters(5, ended, {"to_endpoint": 10, "to_client": 20}, 1.25)
    one = PortReport(WEB, PortCounters((), NO_DURATIONS, connections=counters), PortState(connections=1))

    scrape = Scrape([one], [one])

    assert Scrape([port()]).values("nodeproxy_connections_opened_total") == {}
    assert scrape.values("nodeproxy_connections_total") == {
        (*WEB, "", "cart"): 6,
        (*WEB, "connection-lost", "cart"): 2,
    }
    assert scrape.value("nodeproxy_connections_opened_total", **LABELS) == 10
    assert scrape.value("nodeproxy_connections_active", **LABELS) == 2
    assert scrape.value("nodeproxy_connection_bytes_total", **LABELS, direction="to_client") == 40
    assert scrape.value("nodeproxy_connection_seconds_total", **LABELS) == 2.5
    assert scrape.values("nodeproxy_requests_total") == {}


def test_an_open_connection_is_reported_before_any_has_ended():
    counters = ConnectionCounters(1, (), {"to_endpoint": 7, "to_client": 0})
    one = PortReport(WEB, PortCounters((), NO_DURATIONS, connections=counters), PortState(connections=1))

    scrape = Scrape([one])

    assert scrape.value("nodeproxy_connections_active", **LABELS) == 1
    assert scrape.value("nodeproxy_connection_bytes_total", **LABELS, direction="to_endpoint") == 7


def test_connections_that_reached_no_service_have_none_in_their_labels():
    ended = ((EndKind("unknown-service", *CALLER), 2),)
    one = PortReport(UNROUTED, PortCounters((), NO_DURATIONS, connections=ConnectionCounters(0, ended)))

    scrape = Scrape([one])

    assert scrape.values("nodeproxy_connections_total") == {("", "", "", "unknown-service", "cart"): 2}
    assert scrape.values("nodeproxy_connections_active") == {}


def test_grpc_calls_are_reported_by_their_status():
    one = PortReport(WEB, PortCounters((), NO_DURATIONS, calls={"0": 7, "14": 2}), PortState())

    scrape = Scrape([one], [one])

    assert Scrape([port()]).values("nodeproxy_grpc_responses_total") == {}
    assert scrape.value("nodeproxy_grpc_responses_total", **LABELS, grpc_status="0") == 14
    assert scrape.value("nodeproxy_grpc_responses_total", **LABELS, grpc_status="14") == 4


def test_udp_is_reported_once_a_service_has_had_a_datagram():
    udp = UdpCounters(
        ((EndKind("idle", *CALLER), 3), (EndKind("evicted", *CALLER), 1)),
        {"to_endpoint": 10, "to_client": 9},
        {"to_endpoint": 400, "to_client": 4000},
        {"connect-failed": 2},
    )
    one = PortReport(WEB, PortCounters((), NO_DURATIONS, udp=udp), PortState(udp_sessions=5))

    scrape = Scrape([one], [one])

    assert Scrape([port()]).values("nodeproxy_udp_sessions_active") == {}
    assert scrape.value("nodeproxy_udp_sessions_active", **LABELS) == 10
    assert scrape.values("nodeproxy_udp_sessions_total") == {(*WEB, "idle", "cart"): 6, (*WEB, "evicted", "cart"): 2}
    assert scrape.value("nodeproxy_udp_datagrams_total", **LABELS, direction="to_endpoint") == 20
    assert scrape.value("nodeproxy_udp_bytes_total", **LABELS, direction="to_client") == 8000
    assert scrape.value("nodeproxy_udp_datagrams_dropped_total", **LABELS, reason="connect-failed") == 4


def test_datagrams_for_an_address_whose_service_has_gone_are_counted():
    gone = UdpCounters(dropped={"unknown-service": 1})

    scrape = Scrape([PortReport(UNROUTED, PortCounters((), NO_DURATIONS, udp=gone), PortState())])

    assert scrape.values("nodeproxy_udp_datagrams_dropped_total") == {("", "", "", "unknown-service"): 1}


def test_commands_of_redis_are_reported_by_their_name():
    one = PortReport(WEB, PortCounters((), NO_DURATIONS, redis_commands={"get": 7, "other": 2}), PortState())

    scrape = Scrape([one], [one])

    assert Scrape([port()]).values("nodeproxy_redis_commands_total") == {}
    assert scrape.value("nodeproxy_redis_commands_total", **LABELS, command="get") == 14
    assert scrape.value("nodeproxy_redis_commands_total", **LABELS, command="other") == 4


def test_calls_and_time_of_policies_of_ones_own_are_added_over_the_workers():
    own = {"own_policy_calls": {"stamp": 3}, "own_policy_seconds": {"stamp": 0.25}}
    one = PortReport(WEB, PortCounters((), NO_DURATIONS, **own), PortState())

    scrape = Scrape([one], [one])

    assert Scrape([port()]).values("nodeproxy_own_policy_calls_total") == {}
    assert scrape.value("nodeproxy_own_policy_calls_total", **LABELS, policy="stamp") == 6
    assert scrape.value("nodeproxy_own_policy_seconds_total", **LABELS, policy="stamp") == 0.5


def test_decisions_and_figures_of_policies_are_added_over_the_workers():
    decisions = ((Decision("rateLimit", "rejected", "enforce"), 2), (Decision("retries", "retried", "shadow"), 1))
    one = PortReport(
        WEB,
        PortCounters((), NO_DURATIONS, decisions=decisions),
        PortState(figures={"adaptiveConcurrency": {"limit": 7.5}}),
    )

    scrape = Scrape([one], [one])

    limited = {"policy": "rateLimit", "outcome": "rejected", "mode": "enforce"}
    assert scrape.value("nodeproxy_policy_decisions_total", **LABELS, **limited) == 4
    rehearsed = {"policy": "retries", "outcome": "retried", "mode": "shadow"}
    assert scrape.value("nodeproxy_policy_decisions_total", **LABELS, **rehearsed) == 2
    assert scrape.value("nodeproxy_policy_state", **LABELS, policy="adaptiveConcurrency", figure="limit") == 15


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("nodeproxy_downstream_connections_accepted_total", "accepted"),
        ("nodeproxy_downstream_connections_evicted_total", "evicted"),
        ("nodeproxy_connect_requests_total", "connects"),
        ("nodeproxy_http2_connections_accepted_total", "http2_accepted"),
        ("nodeproxy_http2_streams_refused_total", "http2_refused"),
        ("nodeproxy_http2_floods_total", "http2_floods"),
        ("nodeproxy_unexpected_errors_total", "bugs"),
        ("nodeproxy_table_updates_total", "updates"),
        ("nodeproxy_table_updates_rejected_total", "updates_rejected"),
        ("nodeproxy_access_log_lines_dropped_total", "log_lines_dropped"),
        ("nodeproxy_limit_buckets_evicted_total", "buckets_evicted"),
    ],
)
def test_counters_of_processes_are_added(name, field):
    each = ProcessReport(replace(ProcessCounters(), **{field: 7}), ProcessState())

    assert Scrape([each], [each]).value(name) == 14


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nodeproxy_workers", 2),
        ("nodeproxy_downstream_connections", 7),
        ("nodeproxy_downstream_connections_limit", 280),
        ("nodeproxy_open_files_limit", 1024),
        ("nodeproxy_virtual_listeners_missing", 3),
    ],
)
def test_the_state_of_two_workers_is_that_of_the_node(name, value):
    one = process(connections=3, connections_limit=180, open_files_limit=1024, listeners_missing=3)
    other = process(connections=4, connections_limit=100, open_files_limit=2048, listeners_missing=0)

    assert Scrape([one], [other]).value(name) == value


@pytest.mark.parametrize(("age_s", "told"), [(None, inf), (0.0, 0.0), (2.5, 2.5)])
def test_the_tables_age_is_infinite_before_the_first(age_s, told):
    assert Scrape([process(age_s)]).value("nodeproxy_table_age_seconds") == told


def test_slow_turns_and_shortages_are_told_by_label():
    counters = ProcessCounters(slow_turns={"0.001": 5, "1": 1}, shortages={"endpoint": 5, "accept": 0})

    scrape = Scrape([ProcessReport(counters, ProcessState())])

    assert scrape.values("nodeproxy_reactor_slow_turns_total") == {("0.001",): 5, ("1",): 1}
    assert scrape.value("nodeproxy_socket_shortages_total", purpose="endpoint") == 5
    assert scrape.value("nodeproxy_socket_shortages_total", purpose="accept") == 0


def test_a_policy_map_is_in_force_or_is_not():
    scrape = Scrape(maps=(PolicyMap("nodeproxy", "nodeproxy-policy", True), PolicyMap("shop", "mesh", False)))

    assert scrape.value("nodeproxy_policy_accepted", namespace="nodeproxy", configmap="nodeproxy-policy") == 1
    assert scrape.value("nodeproxy_policy_accepted", namespace="shop", configmap="mesh") == 0


def test_every_family_is_ours_and_says_what_it_is():
    families = Scrape([port(), process()]).families

    assert len({family.name for family in families}) == len(families)
    assert all(family.name.startswith("nodeproxy_") and family.documentation for family in families)


def test_a_node_without_workers_can_be_asked():
    scrape = Scrape()

    assert scrape.value("nodeproxy_workers") == 0
    assert scrape.value("nodeproxy_table_age_seconds") == inf


TEXTS = text(characters(codec="utf-8", exclude_characters="\r\x85\u2028\u2029\x0b\x0c\x1c\x1d\x1e"), max_size=5)
NUMBERS = integers(
    0, 60_000
)  # sums below a million: prometheus_client writes larger ones with an exponent; both are read alike
PORTS = lists(
    tuples(
        tuples(TEXTS, TEXTS, TEXTS),
        lists(tuples(integers(100, 599), TEXTS, TEXTS, TEXTS, NUMBERS), unique_by=lambda each: each[:4], max_size=4),
        lists(NUMBERS, min_size=len(LATENCY_BOUNDS_S) + 1, max_size=len(LATENCY_BOUNDS_S) + 1),
    ),
    unique_by=lambda port: port[0],
    max_size=3,
)


def reported(ports):
    """What a worker has reported that has these ports, each with tunnels."""
    reports = Reports(now=lambda: 100.0)
    reports.note("worker", Introduction(0, 1))
    for key, requests, durations in ports:
        kinds = tuple((RequestKind(*kind), number) for *kind, number in requests)
        decided = ((Decision("split", "x", "shadow"), 4),)
        counters = PortCounters(kinds, tuple(durations), sum(durations) / 7, 1, 2, {"": 1}, {"to_client": 3}, decided)
        reports.note("worker", PortReport(PortKey(*key), counters, PortState(1, 2, 3, 4, {"p": {"limit": 7.5}})))
    reports.note("worker", process())
    return reports.numbers()


@settings(max_examples=25)  # its parsers are slow
@given(ports=PORTS)
def test_the_lines_are_those_that_prometheus_client_writes(ports):
    ours = NodeMetrics().text(reported(ports), ())

    families = list(text_string_to_metric_families(ours.decode()))

    assert ours == rendered(families, openmetrics=False)


@settings(max_examples=25)  # its parsers are slow
@given(ports=PORTS)
def test_openmetrics_too_is_what_prometheus_client_writes(ports):
    ours = NodeMetrics().text(reported(ports), (), openmetrics=True)

    families = list(openmetrics_families(ours.decode()))

    assert ours == rendered(families, openmetrics=True)


def test_a_page_does_not_depend_on_the_pages_before_it():
    first, then = reported([((*WEB,), [(200, "", "a", "b", 1)], NO_DURATIONS)]), reported([])
    metrics = NodeMetrics()

    pages = [metrics.text(numbers, ()) for numbers in (first, then, first)]

    assert pages == [NodeMetrics().text(first, ()), NodeMetrics().text(then, ()), pages[0]]


def test_numbers_of_any_size_are_exact():
    large = 2**53 - 1

    assert Scrape([counted((200, "", large))]).values("nodeproxy_requests_total") == {(*WEB, "200", "", "cart"): large}


def test_the_remembered_templates_are_bounded():
    family = PortFamily(CounterMetricFamily, "things", "Things.", ("kind",))
    for number in range(TEMPLATES_MOST + 10):
        family.lines(("a", "b", "c"), [((number,), 1)])

    assert len(family._templates) == 10


def test_a_label_is_escaped_as_the_formats_want_it():
    assert escaped('a\\b"c\nd%s') == 'a\\\\b\\"c\\nd%s'


def test_the_servers_of_limits_are_up_or_not():
    servers = {"redis://a:6379/0": True, "redis://b:6379/0": False}

    page = NodeMetrics().text(Reports(now=lambda: 100.0).numbers(), (), servers).decode()

    assert 'nodeproxy_limit_server_up{server="redis://a:6379/0"} 1.0' in page
    assert 'nodeproxy_limit_server_up{server="redis://b:6379/0"} 0.0' in page
