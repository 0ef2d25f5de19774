"""The mesh on the two nodes, with an example application, and a client on each node that calls it."""

import json
import sysconfig
from contextlib import ExitStack
from pathlib import Path
from string import Template

from tests.cluster import pods
from tests.cluster.pods import PYTHON, Load

MANIFESTS = Path(__file__).parents[2] / "manifests"
GRPCIO = Path(sysconfig.get_path("platlib")) / "grpc"
"""That of the tests, which is lent to pods: the image has none, and pods have no registry."""
CALLERS = Path(__file__).with_name("callers.yaml")
CALL = """
import json, sys, urllib.request
for _ in range(int(sys.argv[1])):
    print(urllib.request.urlopen("http://web.shop.mesh/", timeout=30).read().decode().strip())
"""

NOBODY = {"n1": 0, "n2": 0}
"""See `failed`."""


class Mesh:
    """The mesh in force, an example application, and a client on each node."""

    def __init__(self, nodes):
        nodes.kubectl("apply", "--validate=strict", f"--kustomize={MANIFESTS}")
        nodes.kubectl("apply", "--validate=strict", f"--kustomize={MANIFESTS / 'example'}")
        nodes.apply(Template(CALLERS.read_text()).substitute(grpcio=GRPCIO))
        for what, namespace in (
            ("daemonset/nodeproxy", "nodeproxy"), ("deployment/web", "shop"), ("daemonset/client", "callers"),
        ):  # fmt: skip
            nodes.kubectl("-n", namespace, "rollout", "status", what)
        self.nodes, self.kubectl = nodes, nodes.kubectl
        self.clients = {each["spec"]["nodeName"]: each for each in nodes.pods("client", "callers")}
        nodes.plane.until(self._knows_the_zone, "CoreDNS to read what the keeper has written")

    def call(self, node, times):
        """What the example application answers to a client on this node."""
        said = pods.run(self.nodes.nodes[node], self.clients[node], PYTHON, "-c", CALL, str(times))
        return [json.loads(line) for line in said.splitlines()]

    def under_load(self, what, happens, program=pods.PROGRAM, words=("web.shop.mesh",)):
        """What a client on each node counts while something happens, and for a while before and after."""
        with ExitStack() as stack:
            loads = {
                name: stack.enter_context(Load(self.nodes.nodes[name], client, program, *words))
                for name, client in self.clients.items()
            }
            self.more(loads, 200)
            happens(loads)
            self.more(loads, 200)
        results = {name: load.result for name, load in loads.items()}
        print(what, json.dumps(results))
        return results

    def more(self, loads, requests):
        """Wait until so many more requests of each are over."""
        until = {name: load.result["requests"] + requests for name, load in loads.items()}
        self.nodes.plane.until(
            lambda: all(load.result["requests"] >= until[name] for name, load in loads.items()), "further requests"
        )

    def proxy(self, node):
        """The proxy of a node."""
        return next(each for each in self.nodes.pods("nodeproxy", "nodeproxy") if each["spec"]["nodeName"] == node)

    def rolled_out(self, what, namespace):
        self.kubectl("-n", namespace, "rollout", "status", what)

    def _knows_the_zone(self):
        resolve = "import socket; print(socket.getaddrinfo('web.shop.mesh', 80)[0][4][0])"
        for name, client in self.clients.items():
            try:
                pods.run(self.nodes.nodes[name], client, PYTHON, "-c", resolve)
            except AssertionError:
                return False
        return True


def failed(results):
    """How many requests of each client have failed."""
    return {name: result["failed"] for name, result in results.items()}
