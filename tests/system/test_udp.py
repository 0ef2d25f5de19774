"""UDP on a whole node: nothing is lost on loopback, by a killed worker or by an update of the proxy."""

import json
import os
import signal
import socket
import threading
from contextlib import contextmanager

from tests.discovery.kube import endpoint, service, slice_of
from tests.fakes.node import LIMIT_S, Node, until

OWN = ("127.77.0.9", 5300)
QUERIES, AT_ONCE = 2000, 50


@contextmanager
def echo():
    """A server that sends every datagram back; the port it has."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.bind(("127.0.0.1", 0))

    def serve():
        while True:
            data, peer = sock.recvfrom(65535)
            if data == b"stop":
                return
            sock.sendto(data, peer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield sock.getsockname()[1]
    finally:
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.sendto(b"stop", sock.getsockname())
        thread.join()
        client.close()
        sock.close()


def write(folder, port):
    ports = [{"name": "dns", "port": OWN[1], "protocol": "UDP"}]
    objects = (
        service("shop/dns", ports=ports, clusterIP="10.96.0.9"),
        slice_of("shop/dns", endpoint("127.0.0.1"), ports=[{"name": "dns", "port": port, "protocol": "UDP"}]),
    )
    (folder / "dns.yaml").write_text("\n---\n".join(map(json.dumps, objects)))


def client():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(LIMIT_S)
    sock.connect(OWN)
    return sock


def is_answered(sock, text=b"hello"):
    try:
        sock.send(text)
        return sock.recv(100) == text
    except OSError:
        return False


def test_queries_from_a_port_each_are_all_answered_and_counted(folder):
    with echo() as port:
        write(folder, port)
        with Node(folder, "--workers", "2", access_log="json", udp_sessions_limit="200") as node:
            until(_answered, "the listener")
            for first in range(0, QUERIES, AT_ONCE):
                some = [client() for _ in range(AT_ONCE)]
                for number, each in enumerate(some, first):
                    each.send(b"%d" % number)
                assert [int(each.recv(100)) for each in some] == list(range(first, first + AT_ONCE))
                for each in some:
                    each.close()
            line = 'nodeproxy_udp_datagrams_total{direction="to_client",namespace="shop",port="5300/udp",service="dns"}'
            until(lambda: f"{line} {QUERIES + 1}.0\n" in node.metrics(), "the report")
            metrics = node.metrics()
        log = node.log.read_text()

    assert "nodeproxy_udp_datagrams_dropped_total{" not in metrics
    assert "nodeproxy_udp_sessions_limit 400.0\n" in metrics
    sessions = [line for line in metrics.splitlines() if line.startswith("nodeproxy_udp_sessions_active{")]
    assert [float(line.rpartition(" ")[2]) for line in sessions] == [400.0]
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]  # the last ones when workers end
    assert sum(line["datagrams_to_endpoint"] for line in lines) == QUERIES + 1
    assert {line["protocol"] for line in lines} == {"udp"} and {line["reason"] for line in lines} >= {"evicted"}


def _answered():
    """Whether the mesh answers; while nothing listens there, the kernel refuses at once.

    It sends one datagram and waits for its answer, for the tests count them: of two, the mesh might count both.
    """
    with client() as sock:
        return is_answered(sock)


def test_datagrams_wait_while_the_only_worker_is_dead(folder):
    with echo() as port:
        write(folder, port)
        with Node(folder) as node, client() as sock:
            until(_answered, "the listener")
            before = is_answered(sock)
            (victim,) = node.children()["worker"]
            os.kill(victim, signal.SIGKILL)
            after = [is_answered(sock, b"%d" % number) for number in range(3)]

    assert before and after == [True] * 3


def test_an_update_of_the_proxy_loses_nothing_and_leaves_all_to_the_new_one(folder):
    with echo() as port:
        write(folder, port)
        with Node(folder) as old, client() as sock, client() as other:
            until(_answered, "the listener")
            answers = [is_answered(sock), is_answered(other)]
            with Node(folder):
                answers += [is_answered(each, b"both") for each in (sock, other) * 5]
                old.process.terminate()
                until(lambda: old.process.poll() is not None or not answers.append(is_answered(sock)), "its end")
                answers += [is_answered(each, b"new") for each in (sock, other) * 5]

    assert all(answers) and old.process.returncode == 0
