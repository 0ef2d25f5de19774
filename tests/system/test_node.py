"""A whole node: supervisor, discovery and workers as processes, real servers behind them."""

import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

LIMIT_S = 15.0  # of any wait: a machine under load is slow, a hang is longer


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def two_free_ports():
    """The lower one of two neighbours: two workers serve admin there."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as sock, suppress(OSError):
            port = sock.getsockname()[1]
            socket.create_server(("127.0.0.1", port + 1)).close()
            return port


def until(claim, what):
    """Ask again until `claim` is true; the asking itself takes time, nothing sleeps on purpose."""
    end, pause = time.monotonic() + LIMIT_S, threading.Event()
    while not claim():
        assert time.monotonic() < end, f"waited {LIMIT_S} s for {what}"
        pause.wait(0.01)


@contextmanager
def server(name, gate=None):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self):
            if gate is not None and self.path == "/slow":
                gate.arrived.set()
                gate.go.wait(LIMIT_S)
            body = name.encode()
            self.send_response(200 if self.path != "/healthz" or not getattr(gate, "sick", False) else 500)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads = True
        httpd.block_on_close = False
        thread = threading.Thread(target=httpd.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield httpd.server_address[1]
        finally:
            httpd.shutdown()
            thread.join()


class Gate:
    def __init__(self):
        self.arrived, self.go, self.sick = threading.Event(), threading.Event(), False


def service(name, *ports, cluster_ip="10.96.0.9", port=80):
    endpoints = [{"addresses": ["127.0.0.1"]}]
    documents = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"clusterIP": cluster_ip, "ports": [{"name": "http", "port": port}]},
        }
    ]
    for index, target in enumerate(ports):
        documents.append(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"{name}-{index}",
                    "namespace": "shop",
                    "labels": {"kubernetes.io/service-name": name},
                },
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": target, "protocol": "TCP"}],
                "endpoints": endpoints,
            }
        )
    return "\n---\n".join(json.dumps(document) for document in documents)


def policy(**tables):
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "nodeproxy-policy", "namespace": "nodeproxy"},
            "data": {key.replace("__", "."): value for key, value in tables.items()},
        }
    )


def command(*words):
    """A finished `nodeproxy …`."""
    return subprocess.run(
        [sys.executable, "-m", "nodeproxy", *words], capture_output=True, text=True, timeout=60, check=False
    )


class Node:
    """One running `nodeproxy run`."""

    def __init__(self, folder: Path, *flags):
        self.folder = folder
        self.port, self.admin = free_port(), two_free_ports()
        self.log = folder.parent / "node.log"
        command = [
            sys.executable, "-m", "nodeproxy", "run", "--discovery", f"files:{folder}",
            "--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin}", *flags,
        ]  # fmt: skip
        self.out = self.log.open("wb")
        self.process = subprocess.Popen(
            command, stdout=self.out, stderr=subprocess.STDOUT, env={**os.environ, "NODEPROXY_DRAIN_TIMEOUT_S": "5"}
        )

    def __enter__(self):
        until(self.is_ready, f"readiness; log:\n{self.log.read_text()}")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(LIMIT_S)
        self.out.close()

    def get(self, host, path="/", address=None, headers=None):
        connection = http.client.HTTPConnection(*(address or ("127.0.0.1", self.port)), timeout=LIMIT_S)
        try:
            connection.request("GET", path, headers={"Host": host, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def admin_page(self, path):
        return self.get("admin", path, ("127.0.0.1", self.admin))

    def is_ready(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.admin_page("/readyz")[0] == 200
        except OSError:
            return False

    def answers(self, host, status, body=None):
        try:
            answer = self.get(host)
        except OSError:
            return False
        return answer[0] == status and (body is None or answer[1] == body)

    def shell(self, line):
        """What a command line prints, as a person would paste it."""
        return subprocess.run(line, shell=True, capture_output=True, text=True, timeout=LIMIT_S, check=True).stdout

    def children(self):
        """Pids by name, the supervisor's children now."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(stat[1]) == self.process.pid and stat[0] != "Z":
                name = "discovery" if b"discovery\0serve" in command else "worker"
                found.setdefault(name, []).append(int(entry.name))
        return found


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "mesh"
    path.mkdir()
    return path


def test_a_request_by_every_kind_of_name_reaches_the_service(folder):
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port, port=8080))
        with Node(folder) as node:
            by_host = node.get("web.shop.mesh")
            with_port = node.get("WEB.shop.mesh.:8080")
            by_cluster_name = node.get("web.shop.svc.cluster.local")
            by_target = node.get("elsewhere", "http://web.shop.mesh/x")
            by_header = node.get("elsewhere", headers={"x-mesh-service": "web.shop.mesh"})
            by_address = node.get("anything", address=("127.77.0.9", 8080))
            metrics = node.admin_page("/metrics")[1]

    assert {by_host, with_port, by_cluster_name, by_target, by_header, by_address} == {(200, "one")}
    assert 'nodeproxy_requests_total{namespace="shop",port="8080",reason="",service="web",status="200"} 6.0' in metrics


def test_a_changed_file_is_in_force_and_a_bad_one_changes_nothing(folder):
    with server("one") as one, server("two") as two:
        (folder / "web.yaml").write_text(service("web", one))
        with Node(folder) as node:
            first = node.get("web.shop.mesh")
            (folder / "web.yaml").write_text(service("web", two))
            until(lambda: node.answers("web.shop.mesh", 200, "two"), "the second endpoint")
            (folder / "web.yaml").write_text("kind: [Service")
            until(lambda: "web.yaml" in node.log.read_text(), "a word about the bad file")
            last = node.get("web.shop.mesh")

    assert first == (200, "one") and last == (200, "two")


def test_a_policy_table_is_in_force(folder):
    gate = Gate()
    with server("one", gate) as port:
        (folder / "web.yaml").write_text(service("web", port))
        (folder / "policy.yaml").write_text(policy(web__shop="timeouts: {request: 200ms}"))
        with Node(folder) as node:
            status, body = node.get("web.shop.mesh", "/slow")
            gate.go.set()

    assert status == 504 and "timeout" in body


def test_a_sick_endpoint_gets_no_requests_while_its_probes_fail(folder):
    gate = Gate()
    with server("sick", gate) as sick, server("fit") as fit:
        gate.sick = True
        (folder / "web.yaml").write_text(service("web", sick, fit))
        (folder / "policy.yaml").write_text(
            policy(web__shop="healthCheck: {path: /healthz, interval: 100ms, unhealthyThreshold: 1}")
        )
        with Node(folder) as node:
            usable = 'nodeproxy_usable_endpoints{namespace="shop",port="80",service="web"} %s.0'
            until(lambda: usable % 1 in node.admin_page("/metrics")[1], "the sick endpoint to be found")
            answers = {node.get("web.shop.mesh") for _ in range(20)}
            gate.sick = False
            until(lambda: usable % 2 in node.admin_page("/metrics")[1], "the endpoint to be well again")

    assert answers == {(200, "fit")}


def test_a_killed_worker_is_back_and_others_keep_their_connections(folder):
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port))
        with Node(folder, "--workers", "2") as node, ExitStack() as stack:
            until(lambda: len(node.children().get("worker", ())) == 2, "both workers")
            connections = [http.client.HTTPConnection("127.0.0.1", node.port, timeout=LIMIT_S) for _ in range(16)]
            for connection in connections:
                stack.callback(connection.close)
                connection.request("GET", "/", headers={"Host": "web.shop.mesh"})
                assert connection.getresponse().read() == b"one"
            victim = node.children()["worker"][0]
            os.kill(victim, signal.SIGKILL)
            alive = 0
            for connection in connections:
                connection.auto_open = 0
                try:
                    connection.request("GET", "/", headers={"Host": "web.shop.mesh"})
                    alive += connection.getresponse().read() == b"one"
                except (OSError, http.client.HTTPException):
                    pass
            until(lambda: len(set(node.children().get("worker", ())) - {victim}) == 2, "a new worker")
            until(lambda: all(node.answers("web.shop.mesh", 200) for _ in range(20)), "both to serve")

    assert 0 < alive < 16


def test_who_comes_while_the_only_worker_is_dead_waits_for_the_next_one(folder):
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port))
        with Node(folder) as node:
            (victim,) = node.children()["worker"]
            os.kill(victim, signal.SIGKILL)

            answers = [node.get("web.shop.mesh") for _ in range(3)]

    assert answers == [(200, "one")] * 3


def test_an_address_that_is_taken_is_told(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = command("run", "--discovery", f"files:{folder}", "--listen", address)

    assert done.returncode == 1
    assert done.stderr == f"cannot listen at {address}: Address already in use; change `listen`\n"


def test_a_killed_discovery_is_back_and_nobody_noticed(folder):
    with server("one") as one, server("two") as two:
        (folder / "web.yaml").write_text(service("web", one))
        with Node(folder) as node:
            (victim,) = node.children()["discovery"]
            os.kill(victim, signal.SIGKILL)
            meanwhile = node.get("web.shop.mesh")
            until(lambda: node.children().get("discovery", [victim]) != [victim], "a new discovery")
            (folder / "web.yaml").write_text(service("web", two))
            until(lambda: node.answers("web.shop.mesh", 200, "two"), "its first update")

    assert meanwhile == (200, "one")


def test_a_term_lets_the_request_under_way_end_and_exits_0(folder):
    gate = Gate()
    with server("one", gate) as port:
        (folder / "web.yaml").write_text(service("web", port))
        with Node(folder) as node:
            answers = []
            client = threading.Thread(target=lambda: answers.append(node.get("web.shop.mesh", "/slow")))
            client.start()
            gate.arrived.wait(LIMIT_S)
            node.process.send_signal(signal.SIGTERM)
            until(lambda: "draining" in node.log.read_text(), "the drain")
            gate.go.set()
            client.join()
            status = node.process.wait(LIMIT_S)

    assert answers == [(200, "one")] and status == 0


def test_the_access_log_has_a_line_per_request_that_no_client_can_break(folder):
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port))
        with Node(folder, "--access-log", "json") as node:
            node.get("web.shop.mesh", '/"quoted"')
            node.get("nobody.shop.mesh")
            until(lambda: node.log.read_text().count('"seconds"') == 2, "two lines")
            lines = [json.loads(line) for line in node.log.read_text().splitlines() if '"seconds"' in line]

    assert [(line["target"], line["status"], line["reason"]) for line in lines] == [
        ('/"quoted"', 200, ""),
        ("/", 404, "unknown-service"),
    ]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--listen", "0.0.0.0:80"], "wildcard"),
        (["--listen", "here"], "write an address as"),
        (["--workers", "0"], "workers"),
        (["--config", "/nowhere.yaml"], "no such file"),
    ],
)
def test_a_setting_that_cannot_be_is_named(flags, words):
    done = command("run", *flags)

    assert done.returncode == 2
    assert words in done.stderr


def test_check_names_the_place_and_exits_1(folder):
    (folder / "web.yaml").write_text(service("web", 9000).replace('"port": 80', '"port": "eighty"'))

    done = command("check", str(folder))

    assert done.returncode == 1
    assert re.search(r"web\.yaml.*shop/web.*eighty", (done.stdout + done.stderr).replace("\n", " "))


def test_every_command_explains_itself():
    for words in ([], ["run"], ["check"], ["demo"], ["settings"]):
        done = command(*words, "--help")
        assert done.returncode == 0 and "Usage: nodeproxy" in done.stdout
