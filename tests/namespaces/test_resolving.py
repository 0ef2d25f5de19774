"""A pod's own resolver asks the cluster's DNS, that asks the node's: a mesh name, an address of the mesh, a service."""

import signal
import sys

import pytest

from discovery.cluster_dns.coredns import with_mesh
from discovery.cluster_dns.texts import Upstream
from tests.fakes.coredns import program
from tests.fakes.namespaces import Node
from tests.fakes.node import service
from tests.namespaces.test_pods import READY, SERVER, SETTINGS, net

CLUSTER_DNS = "10.244.0.10"
# There is no API server here, so the cluster's own names fail, as they do for a while in a real outage.
COREFILE = """\
.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        endpoint http://127.0.0.1:1
        fallthrough in-addr.arpa ip6.arpa
    }
    cache 30
}
"""
# What kubelet writes for a pod of the namespace shop.
SEARCH = "search shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
RESOLV_CONF = f"{SEARCH}nameserver {CLUSTER_DNS}\n"
# The C library resolves, as it does for any program of the pod.
CALL = """
import http.client, socket, sys
addresses = sorted({entry[4][0] for entry in socket.getaddrinfo(sys.argv[1], 80)})
connection = http.client.HTTPConnection(sys.argv[1], 80, timeout=50)
connection.request("GET", "/", headers={"Host": "web.shop.mesh"})
print(*addresses, connection.getresponse().read().decode())
"""
NOT_FOUND = """
import socket, sys
try:
    print(socket.getaddrinfo(sys.argv[1], 80))
except socket.gaierror as error:
    print(error.args[0] in (socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_AGAIN))
"""


# Waits as long as the test does for its node's namespace.
REACHED = """
import socket, sys, time
end = time.monotonic() + 55
while socket.socket().connect_ex((sys.argv[1], int(sys.argv[2]))):
    assert time.monotonic() < end
"""


class Pod:
    """A pod of the namespace shop."""

    def __init__(self, node, namespace, resolv_conf):
        self._node = node
        self._namespace = namespace
        self._bind = f'mount --bind {resolv_conf} /etc/resolv.conf && exec "$@"'

    def python(self, source, *arguments):
        """What a Python program prints there, resolving as the pod does."""
        words = ("unshare", "--mount", "sh", "-c", self._bind, "sh", sys.executable, "-c", source, *arguments)
        done = self._node.run(*words, namespace=self._namespace)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()


@pytest.fixture(scope="module")
def pod(tmp_path_factory):
    """On a node with a proxy, in a cluster whose DNS is CoreDNS, itself a pod."""
    folder = tmp_path_factory.mktemp("dns")
    (folder / "mesh").mkdir()
    (folder / "mesh" / "web.yaml").write_text(service("web", 8080, addresses=["10.244.0.2"]))
    (folder / "Corefile").write_text(with_mesh(COREFILE, Upstream("169.254.77.1")))
    (folder / "resolv.conf").write_text(RESOLV_CONF)
    run = (sys.executable, "-m", "nodeproxy", "run", "--discovery", f"files:{folder / 'mesh'}")
    with Node() as node:
        caller, serving, cluster_dns = node.pod(1), node.pod(2), node.pod(10)
        server = (program(), "-conf", str(folder / "Corefile"))
        node.start(*server, namespace=cluster_dns, log=folder / "coredns.log", stop=signal.SIGKILL)
        assert net(node, "up").returncode == 0
        node.start(sys.executable, "-c", SERVER, namespace=serving)
        node.start(*run, log=folder / "log", env=SETTINGS)
        for place in (("10.244.0.2", "8080"), (CLUSTER_DNS, "53"), ("127.0.0.1", "9077")):
            assert node.run(sys.executable, "-c", REACHED, *place).returncode == 0, place
        node.until(lambda: node.run(sys.executable, "-c", READY).returncode == 0, "readiness")
        yield Pod(node, caller, folder / "resolv.conf")


@pytest.mark.parametrize("name", ["web.mesh", "web.shop.mesh", "web.shop.mesh."])
def test_a_pod_calls_by_mesh_name_through_the_clusters_dns(pod, name):
    address, _, forwarded_for, _ = pod.python(CALL, name)

    assert address == "240.77.0.9"
    assert forwarded_for == "10.244.0.1"


def test_a_name_that_is_none_has_no_address(pod):
    assert pod.python(NOT_FOUND, "nope.mesh") == ["True"]
    assert pod.python(NOT_FOUND, "nope.shop.mesh") == ["True"]
