"""Spans as OpenTelemetry defines them, made of samples."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from discovery.observe.traces.resource import resource_of
from discovery.observe.traces.spans import request_of, spans_of
from tests.fakes.collector import attributes
from tests.fakes.samples import ATTEMPT_ID, PARENT_ID, SPAN_ID, TRACE_ID, attempt, event, sample

ERROR = Status.STATUS_CODE_ERROR


def test_a_request_is_a_span_of_the_server_with_one_of_the_client_below_it():
    server, client = spans_of(sample())

    assert (server.kind, client.kind) == (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT)
    assert {server.trace_id, client.trace_id} == {bytes.fromhex(TRACE_ID)}
    assert (server.parent_span_id, server.span_id) == (bytes.fromhex(PARENT_ID), bytes.fromhex(SPAN_ID))
    assert (client.parent_span_id, client.span_id) == (server.span_id, bytes.fromhex(ATTEMPT_ID))
    assert server.trace_state == "vendor=1"


def test_the_attributes_are_those_of_the_conventions():
    server, client = spans_of(sample())

    assert attributes(server) == {
        "http.request.method": "GET", "url.scheme": "http", "url.path": "/basket", "network.protocol.version": "1.1",
        "server.address": "web.shop.mesh", "server.port": 80, "client.address": "10.1.0.7",
        "http.response.status_code": 200, "nodeproxy.service": "shop/web:80", "nodeproxy.caller": "shop/front",
    }  # fmt: skip
    assert attributes(client) == {
        "http.request.method": "GET", "url.scheme": "http", "url.path": "/basket", "server.address": "10.0.0.1",
        "server.port": 8080, "http.response.status_code": 200, "nodeproxy.service": "shop/web:80",
    }  # fmt: skip


def test_times_are_nanoseconds_since_1970():
    server, client = spans_of(sample())

    second = 1_000_000_000
    assert server.start_time_unix_nano == 1_700_000_000 * second
    assert server.end_time_unix_nano - server.start_time_unix_nano == second // 2
    assert abs(client.end_time_unix_nano - server.start_time_unix_nano - second // 50) < 1000
    assert [each.name for each in client.events] == ["first byte"]


def test_further_attempts_are_counted_and_hedges_are_named():
    several = (attempt(status=503, outcome=503), attempt(), attempt(hedge=True, first_byte_s=None, outcome="cancelled"))

    _, first, second, third = spans_of(sample(attempts=several))

    counts = [attributes(each).get("http.request.resend_count") for each in (first, second, third)]
    assert counts == [None, 1, 2] and attributes(third)["nodeproxy.hedge"] is True
    assert (first.status.code, second.status.code) == (ERROR, Status.STATUS_CODE_UNSET)
    assert attributes(first)["error.type"] == "503" and attributes(third)["error.type"] == "cancelled"


@pytest.mark.parametrize(
    ("policy", "outcome", "name"),
    [
        ("retries", "retried-5xx", "retry"),
        ("retries", "exhausted", "not retried"),
        ("retries", "per-try-timeout", "retries"),
        ("hedging", "hedged", "hedge"),
        ("hedging", "won", "hedging"),
        ("rateLimit", "rejected", "rate limited"),
        ("outlierDetection", "consecutive-5xx", "ejection"),
        ("outlierDetection", "not-ejected", "outlierDetection"),
        ("fallback", "reset", "fallback"),
    ],
)
def test_decisions_are_events_of_the_requests_span(policy, outcome, name):
    server, *_ = spans_of(sample(events=(event(policy, outcome),)))

    (found,) = server.events
    assert found.name == name
    assert attributes(found) == {"nodeproxy.policy": policy, "nodeproxy.outcome": outcome}


def test_a_decision_in_shadow_says_so():
    server, *_ = spans_of(sample(events=(event("rateLimit", "rejected", "shadow"),)))

    assert attributes(server.events[0])["nodeproxy.mode"] == "shadow"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"status": 503, "reason": "no-endpoints"}, "no-endpoints"),
        ({"status": 500}, "500"),
        ({"status": 404}, None),
        ({"status": 429, "reason": "rate-limited"}, None),
    ],
)
def test_only_faults_of_servers_are_errors_of_the_requests_span(changes, error):
    server, *_ = spans_of(sample(**changes))

    assert attributes(server).get("error.type") == error and (server.status.code == ERROR) == (error is not None)


@pytest.mark.parametrize(("status", "fault"), [(0, False), (5, False), (13, True), (14, True)])
def test_a_call_of_grpc_has_its_method_and_its_status(status, fault):
    server, *_ = spans_of(sample(method="POST", path="/shop.Basket/Add", grpc_status=status))

    found = attributes(server)
    assert (found["rpc.system"], found["rpc.service"], found["rpc.method"]) == ("grpc", "shop.Basket", "Add")
    assert (found["rpc.grpc.status_code"], server.name) == (status, "shop.Basket/Add")
    assert (server.status.code == ERROR) == fault


def test_an_unknown_method_does_not_become_a_name():
    server, *_ = spans_of(sample(method="BREW"))

    found = attributes(server)
    assert (found["http.request.method"], found["http.request.method_original"]) == ("_OTHER", "BREW")
    assert server.name == "HTTP shop/web:80"


@pytest.mark.parametrize(
    ("authority", "server"),
    [
        ("web.shop.mesh:8080", ("web.shop.mesh", 8080)),
        ("[fd00::1]:80", ("fd00::1", 80)),
        ("[fd00::1]", ("fd00::1", 80)),
    ],
)
def test_the_servers_address_is_without_its_port(authority, server):
    found = attributes(spans_of(sample(authority=authority))[0])

    assert (found["server.address"], found["server.port"]) == server


def test_the_rule_of_routes_is_an_attribute():
    assert attributes(spans_of(sample(rule="canary"))[0])["nodeproxy.rule"] == "canary"


def test_what_is_not_traced_has_no_span():
    assert spans_of(sample(trace=None)) == []


def test_a_request_to_a_collector_names_the_node():
    request, spans = request_of([sample(), sample()], resource_of("node-7"))

    (resource,) = ExportTraceServiceRequest.FromString(request.SerializeToString()).resource_spans
    found = attributes(resource.resource)
    assert spans == 4 and (found["service.name"], found["k8s.node.name"]) == ("nodeproxy", "node-7")
    assert found["host.name"] and found["service.version"]
    assert "k8s.node.name" not in resource_of("")
