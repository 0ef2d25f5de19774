"""One trace from a client over two services to a collector, through a whole node, joined by the official messages."""

import http.client
import http.server
import re

import pytest

from nodeproxy.demo.threaded import serving
from tests.fakes.collector import attributes, collector
from tests.fakes.node import Node, policy, service, until

TRACE, CLIENT, APP = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "a1" * 8
RETRIES = policy(web__shop="retries: {retryOn: [5xx]}")


class Web(http.server.BaseHTTPRequestHandler):
    """The endpoint of the second service, which fails every other time; keeps the parents that it got."""

    protocol_version = "HTTP/1.1"
    parents: list[str]

    def do_GET(self):
        self.parents.append(self.headers["traceparent"])
        self.send_response(503 if len(self.parents) % 2 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Front(Web):
    """The endpoint of the first service: calls the second one, within a span of its own."""

    mesh: int

    def do_GET(self):
        self.parents.append(self.headers["traceparent"])
        connection = http.client.HTTPConnection("127.0.0.1", self.mesh)
        within = f"00-{self.headers['traceparent'][3:35]}-{APP}-01"
        connection.request("GET", "/", headers={"Host": "web.shop.mesh", "traceparent": within})
        self.send_response(connection.getresponse().status)
        connection.close()
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    folder = tmp_path_factory.mktemp("traces") / "mesh"
    folder.mkdir()
    web, front = type("W", (Web,), {"parents": []}), type("F", (Front,), {"parents": []})
    with (
        collector() as collected,
        serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), web)) as web_port,
        serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), front)) as front_port,
    ):
        (folder / "web.yaml").write_text(service("web", web_port))
        (folder / "front.yaml").write_text(service("front", front_port, cluster_ip="10.96.0.10"))
        (folder / "policy.yaml").write_text(RETRIES)
        with Node(folder, otlp_endpoint=collected.url, node_name="node-7") as node:
            node.collected, node.web, node.front, front.mesh = collected, web, front, node.port
            yield node


def spans_of(mesh, trace, number):
    """The spans of one trace, once there are so many, by id."""

    def found():
        return [span for span in mesh.collected.spans if span.trace_id.hex() == trace]

    until(lambda: len(found()) >= number, f"{number} spans; {mesh.log.read_text()}")
    return {span.span_id.hex(): span for span in found()}


def parents_in(headers):
    return [re.fullmatch(rf"00-{TRACE}-([0-9a-f]{{16}})-01", each)[1] for each in headers]


def test_one_trace_joins_client_node_services_and_a_retry(mesh):
    status, _ = mesh.get("front.shop.mesh", headers={"traceparent": f"00-{TRACE}-{CLIENT}-01"})

    spans = spans_of(mesh, TRACE, 5)
    (to_front,) = parents_in(mesh.front.parents)
    to_web = parents_in(mesh.web.parents)
    at_front = spans[spans[to_front].parent_span_id.hex()]
    (at_web,) = {spans[each].parent_span_id.hex() for each in to_web}
    assert status == 200 and len(spans) == 5 and len(set(to_web)) == 2
    assert at_front.parent_span_id.hex() == CLIENT and spans[at_web].parent_span_id.hex() == APP
    assert [attributes(spans[each])["http.response.status_code"] for each in to_web] == [503, 200]
    assert attributes(spans[to_web[1]])["http.request.resend_count"] == 1
    (retry,) = [each for each in spans[at_web].events if each.name == "retry"]
    assert attributes(retry)["nodeproxy.outcome"] == "retried-5xx"
    assert attributes(at_front)["nodeproxy.service"] == "shop/front:80"


def test_a_trace_that_comes_in_b3_goes_on_in_w3c(mesh):
    trace = "ab" * 16
    mesh.web.parents.clear()

    mesh.get("web.shop.mesh", headers={"b3": f"{trace}-{CLIENT}-1"})

    spans = spans_of(mesh, trace, 3)
    assert len(spans) == 3
    for parent in mesh.web.parents:
        assert parent[3:35] == trace and spans[parent[36:52]].trace_id.hex() == trace


def test_what_the_client_has_not_sampled_reaches_no_collector(mesh):
    trace = "cd" * 16
    mesh.web.parents.clear()
    mesh.get("web.shop.mesh", headers={"traceparent": f"00-{trace}-{CLIENT}-00"})
    mesh.get("web.shop.mesh", headers={"traceparent": f"00-{'ef' * 16}-{CLIENT}-01"})

    spans_of(mesh, "ef" * 16, 2)

    assert mesh.web.parents[0] == f"00-{trace}-{CLIENT}-00"
    assert not [span for span in mesh.collected.spans if span.trace_id.hex() == trace]


def test_the_node_is_named_and_spans_are_counted(mesh):
    mesh.get("front.shop.mesh", headers={"traceparent": f"00-{'12' * 16}-{CLIENT}-01"})
    spans_of(mesh, "12" * 16, 2)

    resource = attributes(mesh.collected.requests[0].resource_spans[0].resource)
    assert (resource["service.name"], resource["k8s.node.name"]) == ("nodeproxy", "node-7")
    counted = re.compile(r"^nodeproxy_spans_exported_total [1-9]", re.MULTILINE)
    until(lambda: counted.search(mesh.metrics()), "the spans that the collector has taken to be counted")
    assert 'nodeproxy_spans_dropped_total{reason="unreachable"} 0' in mesh.metrics()
