"""Manifests as users of Traefik Mesh have them, applied to a node as they are, called by the names of Traefik Mesh."""

import http.server
import json
import socket
import socketserver

import dns.message
import dns.query
import pytest

from nodeproxy.demo.threaded import serving
from tests.fakes.node import LIMIT_S, Node, command, free_port, until
from tests.fakes.programs import listens

# What Traefik Mesh's own example has: an HTTP and a TCP service in a namespace, annotated, and a client. The endpoints
# are those that a cluster would make of the Deployments' pods.
MANIFESTS = """
apiVersion: v1
kind: Namespace
metadata: {name: hello}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: hello-server, namespace: hello}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello, namespace: hello}
spec:
  replicas: 1
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec:
      serviceAccountName: hello-server
      containers: [{name: hello, image: hello:1}]
---
apiVersion: v1
kind: Service
metadata:
  name: hello
  namespace: hello
  labels: {app: hello}
  annotations:
    mesh.traefik.io/traffic-type: "http"
    mesh.traefik.io/retry-attempts: "2"
    mesh.traefik.io/ratelimit-average: "1"
    mesh.traefik.io/ratelimit-burst: "4"
spec:
  type: ClusterIP
  ports: [{port: 80, name: hello}]
  selector: {app: hello}
---
apiVersion: v1
kind: Service
metadata:
  name: hello-tcp
  namespace: hello
  labels: {app: hello-tcp}
  annotations:
    maesh.containo.us/traffic-type: "tcp"
spec:
  type: ClusterIP
  ports: [{port: 8080, name: hello-tcp}]
  selector: {app: hello-tcp}
---
apiVersion: v1
kind: Service
metadata:
  name: hello-udp
  namespace: hello
  annotations:
    mesh.traefik.io/traffic-type: "udp"
spec:
  type: ClusterIP
  ports: [{port: 8080, name: hello-udp, protocol: UDP}]
  selector: {app: hello-udp}
---
apiVersion: v1
kind: Pod
metadata: {name: hello-client, namespace: hello}
spec:
  containers: [{name: client, image: client:1, command: [sleep, "3600"]}]
"""
REFUSED_PORT = 1  # of loopback: connections are refused at once


class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


class Line(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"Received: " + self.rfile.readline())


class Datagram(socketserver.DatagramRequestHandler):
    def handle(self):
        self.wfile.write(b"Received: " + self.rfile.read())


def endpoints(name, *targets, transport="TCP"):
    slices = [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "addressType": "IPv4",
            "metadata": {
                "name": f"{name}-{target}",
                "namespace": "hello",
                "labels": {"kubernetes.io/service-name": name},
            },
            "ports": [{"name": name, "port": target, "protocol": transport}],
            "endpoints": [{"addresses": ["127.0.0.1"]}],
        }
        for target in targets
    ]
    return "\n---\n".join(map(json.dumps, slices))


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node in front of real servers, one of two HTTP endpoints dead; `dns` is the port of its DNS server."""
    folder = tmp_path_factory.mktemp("traefik") / "mesh"
    folder.mkdir()
    (folder / "hello.yaml").write_text(MANIFESTS)
    dns_port = free_port()
    with (
        serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)) as web,
        serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Line)) as tcp,
        serving(socketserver.ThreadingUDPServer(("127.0.0.1", 0), Datagram)) as udp,
    ):
        (folder / "slices.yaml").write_text(
            "\n---\n".join(
                (
                    endpoints("hello", web, REFUSED_PORT),
                    endpoints("hello-tcp", tcp),
                    endpoints("hello-udp", udp, transport="UDP"),
                )
            )
        )
        flags = ("--dns", f"127.0.0.1:{dns_port}")
        run_dir = str(folder.parent / "run")
        with Node(folder, *flags, also_zones="traefik.mesh,maesh", run_dir=run_dir) as running:
            running.dns, running.run_dir = dns_port, run_dir
            yield running


def address_of(node, name):
    answer = dns.query.udp(dns.message.make_query(name, "A"), "127.0.0.1", LIMIT_S, node.dns)
    [[record]] = answer.answer
    return record.address


def test_http_by_both_names_reaches_the_endpoint_that_answers_and_the_limit_refuses_in_the_end(node):
    first = [node.get(name) for name in ("hello.hello.traefik.mesh", "hello.hello.maesh", "hello.hello.mesh")]
    statuses = {node.get("hello.hello.traefik.mesh")[0] for _ in range(8)}

    assert first == [(200, "hello")] * 3
    assert statuses <= {200, 429} and 429 in statuses


def test_http_by_the_address_that_dns_has_for_the_name(node):
    addresses = {address_of(node, f"hello.hello.{zone}") for zone in ("traefik.mesh", "maesh", "mesh")}

    [address] = addresses
    assert node.get("hello.hello.traefik.mesh", address=(address, 80))[0] in (200, 429)


def test_tcp_by_the_address_that_dns_has_for_the_name(node):
    address = address_of(node, "hello-tcp.hello.traefik.mesh")
    until(lambda: listens(8080, address), "the listener")

    with socket.create_connection((address, 8080), LIMIT_S) as connection:
        connection.sendall(b"my data\n")
        assert connection.makefile("rb").read() == b"Received: my data\n"


def test_udp_by_the_address_that_dns_has_for_the_name(node):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(LIMIT_S)
        sock.connect((address_of(node, "hello-udp.hello.maesh"), 8080))
        sock.send(b"my data")
        assert sock.recv(100) == b"Received: my data"


def test_explain_names_the_annotation_that_a_value_comes_from(node, monkeypatch):
    monkeypatch.setenv("NODEPROXY_RUN_DIR", node.run_dir)

    shown = command("explain", "hello.hello").stdout

    assert "Service hello/hello in hello.yaml, annotation mesh.traefik.io/retry-attempts (service hello.hello)" in shown
    assert "differ: retries waits between tries" in shown


def test_check_has_no_error_and_tells_the_differences_once(node):
    done = command("check", str(node.folder))

    assert done.returncode == 0, done.stdout
    assert done.stdout.count("the annotations of Traefik Mesh are in force, and differ") == 1


def test_a_bad_annotation_is_a_metric_and_a_line_of_the_log_and_its_last_good_table_stays(tmp_path, monkeypatch):
    folder, run_dir = tmp_path / "mesh", str(tmp_path / "run")
    folder.mkdir()
    (folder / "hello.yaml").write_text(MANIFESTS)
    monkeypatch.setenv("NODEPROXY_RUN_DIR", run_dir)

    with Node(folder, run_dir=run_dir) as node:
        (folder / "hello.yaml").write_text(MANIFESTS.replace('retry-attempts: "2"', 'retry-attempts: "often"'))
        refused = 'nodeproxy_annotations_accepted{namespace="hello",service="hello"} 0.0'
        until(lambda: refused in node.metrics(), "the refusal")
        log, shown = node.log.read_text(), command("explain", "hello.hello").stdout

    assert 'metadata.annotations["mesh.traefik.io/retry-attempts"]' in log and "got 'often'" in log
    assert "its last valid version is in force" in shown
    assert "Service hello/hello in hello.yaml, annotation mesh.traefik.io/retry-attempts" in shown


def test_check_reads_no_annotations_without_the_setting(tmp_path):
    folder = tmp_path / "mesh"
    folder.mkdir()
    (folder / "hello.yaml").write_text(MANIFESTS.replace('retry-attempts: "2"', 'retry-attempts: "often"'))
    (tmp_path / "config.yaml").write_text("traefik_annotations: false\n")

    with_them, without = command("check", folder), command("check", folder, "--config", tmp_path / "config.yaml")

    assert with_them.returncode == 1 and "retry-attempts" in with_them.stdout
    assert "retry-attempts" not in without.stdout


def test_without_the_setting_the_annotations_have_no_effect(tmp_path):
    folder = tmp_path / "mesh"
    folder.mkdir()
    (folder / "hello.yaml").write_text(MANIFESTS)

    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)) as web:
        (folder / "slices.yaml").write_text(endpoints("hello", web))
        with Node(folder, traefik_annotations="false") as node:
            statuses = {node.get("hello.hello.mesh")[0] for _ in range(12)}
            by_old_name = node.get("hello.hello.maesh")[0]

    assert statuses == {200} and by_old_name == 404
