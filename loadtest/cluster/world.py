"""A cluster without nodes: a real API server, addresses that all answer, and one nodeproxy that follows it.

Lives in a network namespace of its own, where a whole range of addresses is local: every endpoint is real.
"""

import asyncio
import http.client
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtest.errors import BenchmarkError
from loadtest.process import last_lines
from loadtest.procstat import family_of, pss_bytes_of
from nodeproxy.process.preflight import ACCOUNT
from tests.cluster.control_plane import ADMIN, ControlPlane

PODS = "10.244.0.0/16"
POD_PORT = 8080
LISTEN = ("127.0.0.1", 8077)
ADMIN_PORT = 9077
LIMIT_S = 120.0  # for anything to happen that is waited for
INSIDE = "LOADTEST_INSIDE"
NAMESPACE = "bench"


def inside_own_network(words: list[str]) -> int | None:
    """Run this program again, with these words, in namespaces of its own, where all pod addresses are local.

    None when it already does; else the exit status of the other one.
    """
    if os.environ.get(INSIDE):
        for change in (("link", "set", "lo", "up"), ("route", "add", "local", PODS, "dev", "lo")):
            subprocess.run(["ip", *change], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)  # room for `_account`
        return None
    command = ["unshare", "--net", "--mount", sys.executable, "-m", "loadtest", *words]
    return subprocess.run(command, env={**os.environ, INSIDE: "1"}, check=False).returncode


def address(number: int) -> str:
    """The pod address with this number, from 0."""
    return f"10.244.{1 + number // 250}.{1 + number % 250}"


def until(claim: Callable[[], bool], what: str) -> None:
    """Ask again until `claim` is true.

    Raises: BenchmarkError after LIMIT_S.
    """
    end = time.monotonic() + LIMIT_S
    while not claim():
        if time.monotonic() > end:
            raise BenchmarkError(f"waited {LIMIT_S:.0f} s for {what}")
        time.sleep(0.01)


class Writer:
    """Writes objects by one connection to the API server."""

    def __init__(self, plane: ControlPlane) -> None:
        context = ssl.create_default_context(cafile=str(plane.authority))
        self._connection = http.client.HTTPSConnection("127.0.0.1", plane.port, context=context, timeout=30)

    def write(self, method: str, path: str, value: object) -> None:
        """One request.

        Raises: BenchmarkError when it is refused.
        """
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": kind}
        try:
            self._connection.request(method, path, json.dumps(value), headers)
            answer = self._connection.getresponse()
        except OSError:  # the API server has closed an idle connection
            self._connection.close()
            self._connection.request(method, path, json.dumps(value), headers)
            answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300 and answer.status != 409:
            raise BenchmarkError(f"{method} {path}: {answer.status} {text[:300]!r}")

    def service(self, name: str) -> None:
        """A service of one port, its slices written by us."""
        path = f"/api/v1/namespaces/{NAMESPACE}/services"
        ports = [{"name": "http", "port": 80}]
        self.write("POST", path, {"metadata": {"name": name}, "spec": {"ports": ports}})

    def endpoints(self, name: str, numbers: list[int], *, new: bool = False) -> None:
        """The one slice of a service: the pods with these numbers."""
        path = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
        endpoints = [{"addresses": [address(each)], "conditions": {"ready": True}} for each in numbers]
        if not new:
            self.write("PATCH", f"{path}/{name}-1", {"endpoints": endpoints})
            return
        labels = {"kubernetes.io/service-name": name}
        value = {
            "metadata": {"name": f"{name}-1", "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": POD_PORT}],
            "endpoints": endpoints,
        }
        self.write("POST", path, value)


def populate(plane: ControlPlane, services: range) -> None:
    """Services s0, s1, … with ten endpoints each, written by four hands."""

    def work(numbers: range) -> None:
        writer = Writer(plane)
        for number in numbers:
            writer.service(f"s{number}")
            writer.endpoints(f"s{number}", list(range(number * 10, number * 10 + 10)), new=True)

    hands = [threading.Thread(target=work, args=(services[start::4],)) for start in range(4)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()


class _Pod(asyncio.Protocol):
    """Answers every request with the address it came to."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        body = transport.get_extra_info("sockname")[0].encode()
        self._answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._answer * data.count(b"\r\n\r\n"))  # type: ignore[attr-defined]


def serve_pods() -> None:
    """Be all pods, for ever. In our own namespace no wildcard is anybody else's."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(_Pod, "0.0.0.0", POD_PORT, backlog=1024)
        await server.serve_forever()

    asyncio.run(main())


class Node:
    """One nodeproxy; `worker` and `discovery` are its processes."""

    def __init__(self, pid: int) -> None:
        self.family = family_of(pid)
        names = {each: (Path("/proc") / str(each) / "comm").read_text() for each in self.family}
        self.discovery = tuple(each for each, name in names.items() if name == "discovery\n")
        self.worker = tuple(each for each in self.family if each not in (pid, *self.discovery))

    def memory_bytes(self) -> tuple[int, int, int]:
        """Proportional set sizes: all of it, the worker, discovery."""
        return pss_bytes_of(self.family), pss_bytes_of(self.worker), pss_bytes_of(self.discovery)


def ask(connection: http.client.HTTPConnection, service: str) -> tuple[int, str]:
    """Status and body of a request to a service."""
    connection.request("GET", "/", headers={"Host": f"{service}.{NAMESPACE}.mesh"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def _account(plane: ControlPlane) -> dict[str, str]:
    """Mount the account of a pod, as Kubernetes does; returns the environment of a pod.

    A kubeconfig would do, but reading it takes memory that a node in a cluster does not use.
    """
    ACCOUNT.mkdir(parents=True, exist_ok=True)
    (ACCOUNT / "token").write_text(ADMIN)
    (ACCOUNT / "ca.crt").write_bytes(plane.authority.read_bytes())
    return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(plane.port)}


@contextmanager
def node(plane: ControlPlane, folder: Path, **settings: str) -> Iterator[Node]:
    """A nodeproxy that is ready."""
    log = folder / "node.log"
    environment = {
        **os.environ,
        "NODEPROXY_LISTEN": ":".join(map(str, LISTEN)),
        "NODEPROXY_ADMIN": f"127.0.0.1:{ADMIN_PORT}",
        "NODEPROXY_DISCOVERY": "kube:",
        **_account(plane),
        **settings,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "nodeproxy", "run"], env=environment, stdout=output, stderr=output
        )
    try:
        until(lambda: process.poll() is not None or _ready(), "nodeproxy to be ready")
        if process.poll() is not None:
            raise BenchmarkError(f"nodeproxy has ended:\n{last_lines(log)}")
        yield Node(process.pid)
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def _ready() -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", ADMIN_PORT, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
