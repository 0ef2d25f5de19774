"""TCP connections through a whole node: bytes, numbers, the log, and the end of the node."""

import json
import socket
import socketserver
from contextlib import suppress

import pytest

from nodeproxy.demo.threaded import serving
from tests.fakes.node import LIMIT_S, Node, policy, service, until
from tests.fakes.ports import free_port

RANGE = "127.79.0.0/16"  # not that of other tests
ADDRESS = "127.79.0.9"  # of the cluster address 10.96.0.9


def shouting():
    """A server that greets, answers each line in capitals, and says goodbye when its client has ended."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"220 ready\n")
            for line in self.rfile:
                self.wfile.write(line.upper())
            self.wfile.write(b"bye\n")

    return serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler))


def tcp_service(port, target):
    """The service `db`, whose port says that it speaks MySQL."""
    first, *others = service("db", target, port=port).split("\n---\n")
    document = json.loads(first)
    document["spec"]["ports"][0]["appProtocol"] = "mysql"
    return "\n---\n".join([json.dumps(document), *others])


def written(node):
    """The lines of the access log about connections."""
    lines = (line for line in node.log.read_text().splitlines() if line.startswith("{") and '"protocol"' in line)
    return [json.loads(line) for line in lines]


@pytest.fixture
def node(tmp_path):
    folder, port = tmp_path / "mesh", free_port()
    folder.mkdir()
    with shouting() as target:
        (folder / "db.yaml").write_text(tcp_service(port, target))
        (folder / "policy.yaml").write_text(policy(db__shop="timeouts: {tcpIdle: 1h}"))
        with Node(folder, mesh_range=RANGE, access_log="json") as node:
            node.service_port = port
            yield node


def connected(node):
    return socket.create_connection((ADDRESS, node.service_port), LIMIT_S)


def test_a_connection_is_carried_counted_and_logged(node):
    with connected(node) as client, client.makefile("rwb", buffering=0) as lines:
        greeting = lines.readline()
        lines.write(b"hello\n")
        answer = lines.readline()
        client.shutdown(socket.SHUT_WR)
        rest = lines.read()

    assert (greeting, answer, rest) == (b"220 ready\n", b"HELLO\n", b"bye\n")
    labels = f'namespace="shop",port="{node.service_port}"'
    ended = (
        f'nodeproxy_connections_total{{{labels},reason="",service="db",source_namespace="",source_workload="node"}} 1.0'
    )
    until(lambda: ended in node.metrics(), ended)
    page = node.metrics()
    assert f'nodeproxy_connection_bytes_total{{direction="to_client",{labels},service="db"}} 20.0' in page
    assert f'nodeproxy_connection_bytes_total{{direction="to_endpoint",{labels},service="db"}} 6.0' in page
    assert f'nodeproxy_connections_active{{{labels},service="db"}} 0.0' in page
    assert f"nodeproxy_requests_total{{{labels}" not in page
    until(lambda: written(node), "a line in the log")
    (line,) = written(node)
    assert (line["protocol"], line["service"], line["reason"]) == ("tcp", f"shop/db:{node.service_port}", "")
    assert (line["to_endpoint"], line["to_client"], line["tries"]) == (6, 20, 1)


def test_what_is_open_at_the_drain_limit_is_reset(node):
    with connected(node) as client:
        assert client.recv(100) == b"220 ready\n"
        node.process.terminate()
        client.settimeout(2 * LIMIT_S)

        with pytest.raises(ConnectionResetError):
            client.recv(100)

    node.process.wait(LIMIT_S)
    assert [line["reason"] for line in written(node)] == ["drained"]


def test_a_service_without_an_endpoint_resets_its_clients(node):
    (node.folder / "db.yaml").write_text(tcp_service(node.service_port, 0).split("\n---\n")[0])
    unusable = f'nodeproxy_endpoints{{namespace="shop",port="{node.service_port}",service="db",state="usable"}} 0.0'

    def refused():
        with suppress(ConnectionResetError), connected(node) as client:
            client.recv(1)
        return unusable in node.metrics()

    until(refused, "the update")

    with pytest.raises(ConnectionResetError), connected(node) as client:
        client.recv(100)
