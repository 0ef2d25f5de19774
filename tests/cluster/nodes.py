"""A real cluster of two nodes on one machine: each a set of namespaces (node.py), joined by a bridge (place.py)."""

from contextlib import ExitStack
from pathlib import Path

from tests.cluster import image
from tests.cluster.control_plane import ADMIN, ControlPlane, home
from tests.cluster.node import Node, run
from tests.cluster.place import Place

DNS = Path(__file__).with_name("coredns.yaml")


class Nodes:
    """Nodes n1 and n2 in zones zone-n1 and zone-n2, CoreDNS at 10.96.0.10, as long as a `with` lasts."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.nodes = {}
        self._stack = ExitStack()

    def __enter__(self):
        with ExitStack() as stack:
            place = stack.enter_context(Place())
            names = ("n1", "n2")
            self.plane = stack.enter_context(ControlPlane(self.folder, place.address, names))
            for name, cable in zip(names, place.cables, strict=True):
                self.nodes[name] = stack.enter_context(Node(self.plane, name, self.folder / name, cable))
                place.connect(self.nodes[name])
            image.build(home().parent, self.folder / "nodeproxy.tar")
            self.image_bytes = (self.folder / "nodeproxy.tar").stat().st_size
            for each in (*sorted((home().parent / "images").glob("*.tar")), self.folder / "nodeproxy.tar"):
                for node in self.nodes.values():
                    node.load(each)
            (self.folder / "nodeproxy.tar").unlink()
            self._join()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _join(self):
        binding = ["create", "clusterrolebinding", "kube-proxy", "--clusterrole=system:node-proxier"]
        self.kubectl(*binding, "--user=system:kube-proxy")
        for node in self.nodes.values():
            node.join()
        for node in self.nodes.values():
            self.kubectl("wait", "--for=create", f"node/{node.name}")
            self.plane.until(node.serves_services, f"kube-proxy of {node.name}")
        self.kubectl("wait", "--for=condition=Ready", "node", "--all")
        self.apply(DNS.read_text())
        self.kubectl("-n", "kube-system", "rollout", "status", "deployment/coredns")

    def kubectl(self, *words, text=None):
        """What kubectl prints; it must succeed."""
        command = [home() / "kubectl", "--kubeconfig", self.plane.kubeconfig(ADMIN), *words]
        return run(*command, input=text)

    def apply(self, text):
        """Let the cluster have these documents (YAML), validated strictly."""
        self.kubectl("apply", "--validate=strict", "--filename=-", text=text)

    def pods(self, app, namespace):
        """The running pods of an application that nobody has deleted."""
        found = self.plane.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"app={app}")
        return [
            each
            for each in found["items"]
            if each["status"]["phase"] == "Running" and "deletionTimestamp" not in each["metadata"]
        ]
