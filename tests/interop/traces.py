"""Traces to a real OpenTelemetry Collector, built from its own modules (`make interop`)."""

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.node import LIMIT_S, Node, server, service, until
from tests.fakes.ports import free_port

COLLECTOR = Path(__file__).parents[2] / "build" / "interop" / "collector" / "collector"
TRACE, CLIENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CONFIG = """
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{file: {{path: "{out}", flush_interval: 100ms}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [file]}}}}
"""


@contextmanager
def collector(folder):
    """A running collector; yields its port, and the file of what it has received."""
    port, out = free_port(), folder / "traces.json"
    (folder / "collector.yaml").write_text(CONFIG.format(port=port, out=out))
    with (folder / "collector.log").open("wb") as log:
        process = subprocess.Popen([COLLECTOR, folder / "collector.yaml"], stdout=log, stderr=log)
        try:
            yield port, out
        finally:
            process.terminate()
            process.wait(LIMIT_S)


@pytest.fixture(scope="module")
def received(tmp_path_factory):
    """What a real collector has of one traced request."""
    folder = tmp_path_factory.mktemp("collector")
    (folder / "mesh").mkdir()
    with server("hello") as port, collector(folder) as (collector_port, out):
        (folder / "mesh" / "web.yaml").write_text(service("web", port))
        url = f"http://127.0.0.1:{collector_port}"
        with Node(folder / "mesh", otlp_endpoint=url, node_name="node-7") as node:
            until(lambda: node.answers("web.shop.mesh", 200, "hello"), "the service")
            node.get("web.shop.mesh", headers={"traceparent": f"00-{TRACE}-{CLIENT}-01"})
            until(lambda: out.exists() and TRACE in out.read_text(), f"the trace; {folder / 'collector.log'}")
        (line,) = [each for each in out.read_text().splitlines() if TRACE in each]
        return json.loads(line)["resourceSpans"][0]


def test_a_real_collector_has_the_spans_of_a_request(received):
    spans = received["scopeSpans"][0]["spans"]

    by_kind = {span["kind"]: span for span in spans if span["traceId"] == TRACE}
    assert set(by_kind) == {2, 3}
    assert by_kind[2]["parentSpanId"] == CLIENT and by_kind[3]["parentSpanId"] == by_kind[2]["spanId"]


def test_a_real_collector_has_the_name_of_the_node(received):
    about = {each["key"]: each["value"]["stringValue"] for each in received["resource"]["attributes"]}

    assert about["service.name"] == "nodeproxy" and about["k8s.node.name"] == "node-7"
