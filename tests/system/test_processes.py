"""The processes of a node: what dies comes back, what is told to end ends in order."""

import http.client
import os
import signal
import socket
import threading
from contextlib import ExitStack

import pytest

from nodeproxy.process.discovery import NICE
from tests.fakes.node import LIMIT_S, Gate, Node, command, server, service, until


def test_a_killed_worker_is_back_and_others_keep_their_connections(folder):
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port))
        with Node(folder, "--workers", "2") as node, ExitStack() as stack:
            until(lambda: node.is_ready(worker=1), "both workers")
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


def counted(node):
    """Completed requests of the service web."""
    series = (line for line in node.metrics().splitlines() if line.startswith("nodeproxy_requests_total{"))
    return sum(float(line.rpartition(" ")[2]) for line in series if 'service="web"' in line)


def replaced(node):
    """Whether both workers have reported, one of them in the place of another."""
    page = node.metrics()
    return "nodeproxy_workers 2.0" in page and "nodeproxy_worker_restarts_total 1.0" in page


def test_the_page_of_two_workers_is_their_sum_and_the_counts_of_a_killed_one_stay(folder):
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port))
        with Node(folder, "--workers", "2") as node:
            until(lambda: node.is_ready(worker=1), "both workers")
            for _ in range(40):
                assert node.get("web.shop.mesh") == (200, "one")
            until(lambda: counted(node) == 40, "both reports")
            victim = node.children()["worker"][0]
            os.kill(node.process.pid, signal.SIGSTOP)  # or the next worker is there before its absence can be seen
            try:
                os.kill(victim, signal.SIGKILL)
                until(lambda: "nodeproxy_workers 1.0" in node.metrics(), "the end to be seen")
                between = counted(node)
            finally:
                os.kill(node.process.pid, signal.SIGCONT)
            until(lambda: replaced(node), "the next worker")
            after = counted(node)
            until(lambda: all(node.answers("web.shop.mesh", 200) for _ in range(10)), "it to serve")
            until(lambda: counted(node) == 50, "the reports of both")

    assert between == after == 40


def test_a_restarted_discovery_has_the_counts_of_living_workers_again(folder):
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port))
        with Node(folder, "--workers", "2") as node:
            for _ in range(20):
                node.get("web.shop.mesh")
            until(lambda: counted(node) == 20, "the reports")
            (victim,) = node.children()["discovery"]
            os.kill(victim, signal.SIGKILL)
            until(lambda: node.children().get("discovery", [victim]) != [victim], "a new discovery")
            until(node.metrics, "its first page")
            again = counted(node)

    assert again == 20


def test_who_comes_while_the_only_worker_is_dead_waits_for_the_next_one(folder):
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port))
        with Node(folder) as node:
            (victim,) = node.children()["worker"]
            os.kill(victim, signal.SIGKILL)

            answers = [node.get("web.shop.mesh") for _ in range(3)]

    assert answers == [(200, "one")] * 3


def test_who_comes_to_a_service_own_address_waits_too_until_it_is_elsewhere(folder):
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port, port=8080))
        with Node(folder) as node:
            own = ("127.77.0.9", 8080)
            (victim,) = node.children()["worker"]
            os.kill(victim, signal.SIGKILL)
            answers = [node.get("anything", address=own) for _ in range(3)]
            (folder / "web.yaml").write_text(service("web", port, cluster_ip="10.96.0.10", port=8080))
            until(lambda: refuses(own), "the service to be elsewhere")

    assert answers == [(200, "one")] * 3


def refuses(address):
    with socket.socket() as sock:
        return sock.connect_ex(address) != 0


@pytest.mark.parametrize("setting", ["listen", "metrics"])
def test_an_address_that_is_taken_is_told(folder, setting):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = command("run", "--discovery", f"files:{folder}", f"--{setting}", address)

    assert done.returncode == 2
    assert done.stderr == f"cannot listen at {address}: Address already in use; change `{setting}`\n"


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


def test_requests_come_before_what_people_look_at(folder):
    with server("one") as one:
        (folder / "web.yaml").write_text(service("web", one))
        with Node(folder) as node:
            (discovery,), (worker,) = node.children()["discovery"], node.children()["worker"]
            supervisor, *others = (
                os.getpriority(os.PRIO_PROCESS, pid) for pid in (node.process.pid, worker, discovery)
            )

    assert others == [supervisor, supervisor + NICE]


def test_a_term_lets_the_request_under_way_end_and_exits_0(folder):
    gate = Gate()
    with server("one", gate) as port:
        (folder / "web.yaml").write_text(service("web", port))
        with Node(folder, drain_timeout_s=str(LIMIT_S)) as node:
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


def test_discovery_ends_with_a_killed_supervisor_whatever_workers_do(folder):
    (folder / "web.yaml").write_text(service("web"))
    with Node(folder) as node:
        (worker,) = node.children()["worker"]
        os.kill(worker, signal.SIGSTOP)
        try:
            node.process.kill()
            until(lambda: refused(node.metrics_port), "the end of discovery")
        finally:
            os.kill(worker, signal.SIGKILL)


def refused(port):
    """Whether nothing listens there."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0
