"""The traces of single requests beside the buckets that they are in."""

import pytest
from prometheus_client.core import Exemplar, HistogramMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from discovery.observe.lines import rendered
from discovery.observe.metrics import NodeMetrics
from discovery.observe.view import View
from discovery.workers.reports import Reports
from nodeproxy.mesh.reports import (
    Introduction,
    PortCounters,
    PortReport,
    RequestKind,
    TracedRequest,
)
from tests.fakes.reports import WEB, process

REQUESTS = ((RequestKind(200, "", "shop", "cart"), 3),)
DURATIONS = (0, 1, 1, *(0,) * 11, 1)


def numbers_of(*workers):
    reports = Reports(now=lambda: 100.0)
    for number, traced in enumerate(workers):
        for message in (
            Introduction(number, number),
            PortReport(WEB, PortCounters(REQUESTS, DURATIONS, 0.5, exemplars=tuple(traced))),
            process(),
        ):
            reports.note(number, message)
    return reports.numbers()


def exemplars_of(page):
    return {
        sample.labels["le"]: sample.exemplar
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
        if sample.exemplar
    }


@pytest.mark.parametrize(("buckets", "bounds"), [("fine", ["0.001", "0.0025"]), ("coarse", ["0.005"])])
def test_a_bucket_has_its_newest_traced_request(buckets, bounds):
    one = [TracedRequest(1, "a" * 32, 0.0007, 1000.5), TracedRequest(2, "b" * 32, 0.002, 1001.25)]
    other = [TracedRequest(1, "c" * 32, 0.0008, 1001.0)]

    page = NodeMetrics(buckets).text(View(numbers_of(one, other)), openmetrics=True)

    found = exemplars_of(page)
    assert list(found) == bounds
    newest = found[bounds[-1]]
    assert (newest.labels, newest.value, float(newest.timestamp)) == ({"trace_id": "b" * 32}, 0.002, 1001.25)
    assert found[bounds[0]].labels["trace_id"] in ("b" * 32, "c" * 32)


def test_the_line_is_the_one_that_prometheus_client_writes():
    histogram = HistogramMetricFamily("nodeproxy_request_duration_seconds", "", labels=["namespace", "port", "service"])
    exemplar = Exemplar({"trace_id": "b" * 32}, 12.5, 1700000001.125)
    histogram.add_metric(["shop", "80", "web"], [("+Inf", 3, exemplar)], None)

    page = NodeMetrics().text(View(numbers_of([TracedRequest(14, "b" * 32, 12.5, 1700000001.125)])), openmetrics=True)

    (theirs,) = [line for line in rendered([histogram], openmetrics=True).splitlines() if b"trace_id" in line]
    (ours,) = [line for line in page.splitlines() if b"trace_id" in line]
    assert ours == theirs


def test_the_format_without_exemplars_has_none():
    page = NodeMetrics().text(View(numbers_of([TracedRequest(1, "a" * 32, 0.0007, 1000.5)])))

    assert b"trace_id" not in page
