"""The keeper of the cluster's DNS as a process, started as its Deployment says, with its ServiceAccount's token."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.cluster.control_plane import LIMIT_S

MANIFESTS = Path(__file__).parents[2] / "manifests"


def apply(cluster, folder=MANIFESTS):
    """`kubectl apply -k`, validated strictly."""
    done = cluster.kubectl("apply", "--validate=strict", f"--kustomize={folder}")
    assert done.returncode == 0, done.stderr


def delete(cluster, folder=MANIFESTS):
    """`kubectl delete -k`, of what is left: other tests expect a cluster without."""
    done = cluster.kubectl("delete", "--ignore-not-found", f"--kustomize={folder}")
    assert done.returncode == 0, done.stderr


def container(cluster, folder=MANIFESTS):
    """The keeper's container as the manifests of `folder` have it."""
    rendered = cluster.kubectl("create", "--dry-run=client", "--output=json", f"--kustomize={folder}")
    assert rendered.returncode == 0, rendered.stderr
    decoder, text, objects = json.JSONDecoder(), rendered.stdout, []
    while text.strip():
        value, end = decoder.raw_decode(text.lstrip())
        objects += value["items"] if value["kind"] == "List" else [value]
        text = text.lstrip()[end:]
    [deployment] = [each for each in objects if each["kind"] == "Deployment"]
    return deployment["spec"]["template"]["spec"]["containers"][0]


class Keeper:
    """Runs as long as the test is in it."""

    def __init__(self, cluster, folder, *, manifests=MANIFESTS, address="169.254.77.1:53", also_zones="", admission=""):
        found = container(cluster, manifests)
        self._words = [
            *found["command"][1:],
            *(
                word.replace("$(POD_NAMESPACE)", "nodeproxy").replace("$(POD_IP):9443", admission)
                for word in found["args"]
            ),
        ]
        self._env = {**os.environ, "NODEPROXY_DNS": address, "NODEPROXY_ALSO_ZONES": also_zones}
        done = cluster.kubectl("create", "token", "nodeproxy-dns", "--namespace=nodeproxy")
        self._kubeconfig = cluster.kubeconfig(done.stdout.strip())
        self.log = folder / "keeper.log"

    def __enter__(self):
        command = [sys.executable, *self._words, f"--kubeconfig={self._kubeconfig}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self._env)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        assert self.process.wait(LIMIT_S) == 0, self.text

    @property
    def text(self):
        """What it has told."""
        return self.log.read_text()


def command(cluster, what, *flags, user="admin-token"):
    """`nodeproxy cluster-dns` as an operator runs it."""
    words = [sys.executable, "-m", "nodeproxy", "cluster-dns", what, f"--kubeconfig={cluster.kubeconfig(user)}", *flags]
    return subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)


class ConfigMaps:
    """The ConfigMaps of the cluster's DNS, as everybody else sees and writes them."""

    def __init__(self, cluster):
        self._cluster = cluster

    def put(self, name, **data):
        """Write the whole of one, as an add-on manager does; `__` in a key stands for the dot."""
        data = {key.replace("__", "."): text for key, text in data.items()}
        value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        present = self.data(name) is not None
        done = self._cluster.kubectl(
            "replace" if present else "create", "--namespace=kube-system", "--filename=-", document=value
        )
        assert done.returncode == 0, done.stderr

    def data(self, name):
        """The keys of one, None when it does not exist."""
        found = self._cluster.get(f"/api/v1/namespaces/kube-system/configmaps/{name}")
        return None if found is None else found.get("data", {})

    def until(self, name, claim, what):
        """Its keys, as soon as `claim` is true of them."""
        end, pause = time.monotonic() + LIMIT_S, threading.Event()
        while not claim(data := self.data(name)):
            assert time.monotonic() < end, f"waited {LIMIT_S} s for {what}; have {data}"
            pause.wait(0.05)
        return data

    def delete(self):
        """Delete all of them."""
        names = ("coredns", "coredns-custom", "kube-dns")
        self._cluster.kubectl("delete", "configmap", *names, "--namespace=kube-system", "--ignore-not-found")
