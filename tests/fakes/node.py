"""A whole node as a test starts it: supervisor, discovery and workers as processes, real servers behind them."""

import http.client
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from nodeproxy.demo.threaded import serving
from tests.fakes.ports import free_port

LIMIT_S = 60.0  # of any wait: a machine under load is slow, a hang is longer
COMMAND_LIMIT_S = 240.0  # of a whole command, which loads its modules first


def until(claim, what):
    """Ask again until `claim` is true; the asking itself takes time, nothing sleeps on purpose."""
    end, pause = time.monotonic() + LIMIT_S, threading.Event()
    while not claim():
        assert time.monotonic() < end, f"waited {LIMIT_S} s for {what}"
        pause.wait(0.01)


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # of five, the kernel drops SYNs while a busy machine lets the thread wait: a second each


class SixServer(Server):
    address_family = socket.AF_INET6


def server(name, gate=None, host="127.0.0.1"):
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

    return serving((SixServer if ":" in host else Server)((host, 0), Handler))


class Gate:
    def __init__(self):
        self.arrived, self.go, self.sick = threading.Event(), threading.Event(), False


def service(name, *ports, cluster_ip="10.96.0.9", port=80, addresses=("127.0.0.1",)):
    endpoints = [{"addresses": [address]} for address in addresses]
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
        [sys.executable, "-m", "nodeproxy", *words],
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
    )


def environment(**settings):
    """That of this process, with settings that have no flag."""
    return {**os.environ, **{f"NODEPROXY_{name.upper()}": value for name, value in settings.items()}}


class Node:
    """One running `nodeproxy run`."""

    def __init__(self, folder: Path, *flags, ulimit="", python_path="", **settings):
        self.folder = folder
        self.port, self.admin, self.metrics_port = free_port(), free_port(), free_port()
        self.log = folder.parent / "node.log"
        command = [
            sys.executable, "-m", "nodeproxy", "run", "--discovery", f"files:{folder}",
            "--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin}",
            "--metrics", f"127.0.0.1:{self.metrics_port}", *flags,
        ]  # fmt: skip
        if ulimit:  # as `-Sn 1024` is what some container runtimes start with
            command = ["/bin/sh", "-c", f'ulimit {ulimit}; exec "$@"', "sh", *command]
        self.out = self.log.open("wb")
        variables = environment(**{"drain_timeout_s": "5", **settings})
        self.process = subprocess.Popen(
            command,
            stdout=self.out,
            stderr=subprocess.STDOUT,
            env=variables | ({"PYTHONPATH": python_path} if python_path else {}),
        )

    def __enter__(self):
        try:
            until(self.is_ready, f"readiness; log:\n{self.log.read_text()}")
        except BaseException:
            self.__exit__()  # or it would answer at the virtual addresses of the next test
            raise
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

    def metrics(self):
        """The page; "" while no worker has reported."""
        try:
            status, text = self.get("node", "/metrics", ("127.0.0.1", self.metrics_port))
        except OSError:
            return ""
        return text if status == 200 else ""

    def is_ready(self, worker=0):
        """Whether this worker serves. The node is entered when the first one does; the others may not listen yet."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.get("admin", "/readyz", ("127.0.0.1", self.admin + worker))[0] == 200
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
                command = (entry / "comm").read_text()
            except OSError:
                continue
            if int(stat[1]) == self.process.pid and stat[0] != "Z":
                name = command.rstrip("\n").partition("-")[0]
                found.setdefault(name, []).append(int(entry.name))
        return found
