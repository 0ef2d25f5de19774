"""A pod calls a service by its mesh name: the node's DNS, an address of the mesh, the node's proxy, another pod."""

import os
import sys

import pytest

from tests.fakes.namespaces import Node
from tests.fakes.node import service

LISTEN, DNS, ADMIN = "169.254.77.1:80", "169.254.77.1:53", "127.0.0.1:9077"
RANGES = {"NODEPROXY_MESH_RANGE": "240.77.0.0/16", "NODEPROXY_HEADLESS_RANGE": "240.78.0.0/16"}
SETTINGS = {**os.environ, **RANGES, "NODEPROXY_LISTEN": LISTEN, "NODEPROXY_DNS": DNS, "NODEPROXY_ADMIN": ADMIN}

SERVER = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{self.client_address[0]} {self.headers['X-Forwarded-For']} {self.headers['Host']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("10.244.0.2", 8080), Handler).serve_forever()
"""
# Resolves as a pod's resolver would, then calls the address that came back.
CALL = """
import http.client, sys, dns.message, dns.query
answer = dns.query.udp(dns.message.make_query("web.shop.mesh", "A"), "169.254.77.1", 50)
address = str(answer.answer[0][0])
connection = http.client.HTTPConnection(sys.argv[1] or address, 80, timeout=50)
connection.request("GET", "/", headers={"Host": "web.shop.mesh"})
print(address, connection.getresponse().read().decode())
"""
READY = "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:9077/readyz', timeout=2)"


@pytest.fixture
def node():
    with Node() as node:
        yield node


def net(node, word):
    return node.run(sys.executable, "-m", "nodeproxy", "net", word, env=SETTINGS)


def test_the_addresses_come_and_go_and_coming_twice_is_no_error(node):
    before, first, second, there = (net(node, word) for word in ("status", "up", "up", "status"))
    assert (before.returncode, first.returncode, second.returncode, there.returncode) == (1, 0, 0, 0)
    assert there.stdout == "169.254.77.1: local\n240.77.0.0/16: local\n240.78.0.0/16: local\n"

    gone, again = net(node, "down"), net(node, "down")

    assert (gone.returncode, again.returncode) == (0, 0)
    assert net(node, "status").stdout.count("not local") == 3


def test_a_range_that_the_node_uses_is_left_alone(node):
    node.pod(2)
    node.run("ip", "route", "add", "240.77.128.0/24", "dev", "v2")

    done = net(node, "up")

    assert done.returncode == 1
    assert "240.77.0.0/16 overlaps the node's route 240.77.128.0/24" in done.stderr
    assert net(node, "status").stdout.count("not local") == 3


def test_without_the_capability_the_cure_is_named(node):
    command = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", sys.executable, "-m", "nodeproxy"]

    done = node.run(*command, "net", "up", env=SETTINGS)

    assert done.returncode == 1
    assert "NET_ADMIN is missing" in done.stderr


@pytest.mark.parametrize("address", ["", "169.254.77.1"], ids=["virtual address", "node-local address"])
def test_a_pod_reaches_a_service_by_its_mesh_name(node, tmp_path, address):
    caller, serving = node.pod(1), node.pod(2)
    folder = tmp_path / "mesh"
    folder.mkdir()
    (folder / "web.yaml").write_text(service("web", 8080, addresses=["10.244.0.2"]))
    assert net(node, "up").returncode == 0
    node.start(sys.executable, "-c", SERVER, namespace=serving)
    node.start(
        sys.executable, "-m", "nodeproxy", "run", "--discovery", f"files:{folder}", log=tmp_path / "log", env=SETTINGS
    )
    node.until(lambda: node.run(sys.executable, "-c", READY).returncode == 0, "readiness")
    probe = "import socket; socket.create_connection(('10.244.0.2', 8080), 5)"
    node.until(lambda: node.run(sys.executable, "-c", probe).returncode == 0, "the server")

    resolved, seen_from, forwarded_for, host = node.python(CALL, caller, address).split()

    assert resolved == "240.77.0.9"  # the low bits of ClusterIP 10.96.0.9
    assert forwarded_for == "10.244.0.1"  # the pod's own address: nothing translated it on the way
    assert host == "web.shop.mesh" and seen_from != "10.244.0.1"
