"""A node of a real cluster as a set of namespaces: containerd, kubelet and kube-proxy, with pods in real containers.

Its first process ends with the test run, and all others end with it: nothing is left over, however the run ends.
"""

import os
import subprocess
from ipaddress import ip_network
from pathlib import Path
from typing import NamedTuple

from tests.cluster import node_config
from tests.cluster.control_plane import LIMIT_S, PROXY, home, node_token

CGROUPS = Path("/sys/fs/cgroup")
# Kubelet wants these of the kernel. It is shown them; the machine's own stay as they are.
SHOWN = {
    "vm/overcommit_memory": 1, "vm/panic_on_oom": 0, "kernel/panic": 10, "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1000000, "kernel/keys/root_maxbytes": 25000000,
}  # fmt: skip
SET_UP = """
cd $FOLDER
mount --make-rshared /
mount -t tmpfs tmpfs /run && mkdir -p /run/netns /run/lock
mount -t tmpfs tmpfs /var/lib && mkdir -p /var/lib/kubelet && mount --bind kubelet /var/lib/kubelet
mount -t tmpfs tmpfs /var/log
mkdir containerd && mount -t tmpfs tmpfs containerd  # in memory: gone with the node, at once
for each in shown/*; do mount --bind $each /proc/sys/$(basename $each | tr , /); done
echo 1 > /proc/sys/net/ipv4/ip_forward
"""


def run(*command, **options):
    """What a command prints; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr[-2000:]}"
    return done.stdout


class Cable(NamedTuple):
    """How a node is joined to the others."""

    link: str
    """The machine's end of it."""
    address: str
    """The node's."""
    pods: str
    """The addresses of the node's pods."""
    all_pods: str
    """The addresses of all nodes' pods."""


class Node:
    """One node, as long as a `with` lasts."""

    def __init__(self, plane, name, folder, cable):
        self.name, self.folder, self.cable = name, folder, cable
        self._plane = plane
        self._cgroup = cable.link  # as unique as the link
        self._first = None
        self._processes = []

    def __enter__(self):
        for each in ("kubelet", "shown", "cni"):
            (self.folder / each).mkdir(parents=True)
        self._make_cgroups()
        command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", home() / "pause"]
        self._first = subprocess.Popen(["setpriv", "--pdeathsig=KILL", *command])
        try:
            self._plane.until(self._inner, f"the namespaces of {self.name}")
            self._write()
            self.run("env", f"FOLDER={self.folder}", "sh", "-ec", SET_UP)
            self._start("containerd", f"--config={self.folder / 'containerd.toml'}")
            self._plane.until(lambda: self.ctr("version", check=False).returncode == 0, f"containerd of {self.name}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        inner = self._inner()
        self._first.kill()  # and, by --kill-child, the first process of its process namespace, and so all of them
        for process in (self._first, *self._processes):
            process.wait(LIMIT_S)
        self._plane.until(lambda: not inner or not Path(f"/proc/{inner}").exists(), f"the end of {self.name}")
        self._plane.until(self._remove_cgroups, f"the end of the control groups of {self.name}")

    @property
    def pid(self):
        """Whose network namespace it is, for ip(8)."""
        return self._inner()

    @property
    def gateway(self):
        """The node's own address among its pods."""
        return str(ip_network(self.cable.pods)[1])

    def load(self, image):
        """Let the node have the image in an archive."""
        self.ctr("images", "import", str(image))

    def join(self):
        """Start what makes it a node of the cluster."""
        labels = f"--node-labels=topology.kubernetes.io/zone=zone-{self.name}"
        config = [
            f"--config={self.folder / 'kubelet.json'}",
            f"--kubeconfig={self._plane.kubeconfig(node_token(self.name))}",
        ]
        self._start("kubelet", *config, f"--hostname-override={self.name}", f"--node-ip={self.cable.address}", labels)
        self._start("kube-proxy", f"--config={self.folder / 'kube-proxy.json'}")

    def run(self, *command, check=True, **options):
        """A command inside the node."""
        options = {"capture_output": True, "text": True, "timeout": LIMIT_S, **options}
        done = subprocess.run(self.inside(*command), env=self._environment, check=False, **options)
        assert not check or done.returncode == 0, f"{self.name}: {' '.join(map(str, command))}: {done.stderr}"
        return done

    def ctr(self, *words, **options):
        """containerd's own client, past the API server and kubelet."""
        return self.run(*self._ctr(*words), **options)

    def ctr_command(self, *words):
        """The words that run it from outside."""
        return self.inside(*self._ctr(*words))

    def _ctr(self, *words):
        return [home() / "ctr", f"--address={self.folder / 'containerd.sock'}", "--namespace=k8s.io", *words]

    def inside(self, *command):
        """The words that run a command inside the node."""
        return ["nsenter", f"--target={self._inner()}", "--net", "--mount", "--pid", *map(str, command)]

    def serves_services(self):
        """Whether kube-proxy has its rules: a pod that starts before waits for half a minute."""
        return "10.96.0.1" in self.run(home() / "nft", "list", "ruleset", check=False).stdout

    @property
    def _environment(self):
        return {**os.environ, "PATH": f"{home()}:{os.environ['PATH']}"}

    def _start(self, name, *flags):
        with (self.folder / f"{name}.log").open("wb") as log:
            command = self.inside(home() / name, *flags)
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=self._environment))

    def _inner(self):
        """The first process of the node, as the machine counts; 0 while or when there is none."""
        try:
            child = Path(f"/proc/{self._first.pid}/task/{self._first.pid}/children").read_text().split()
            return int(child[0]) if child and Path(f"/proc/{child[0]}/comm").read_text() == "pause\n" else 0
        except OSError:
            return 0

    def _hierarchies(self):
        return [each for each in CGROUPS.iterdir() if each.is_dir() and each.name != "unified"]

    def _make_cgroups(self):
        for each in self._hierarchies():
            (each / self._cgroup).mkdir(exist_ok=True)
        for each in ("cpuset.cpus", "cpuset.mems"):
            (CGROUPS / "cpuset" / self._cgroup / each).write_text((CGROUPS / "cpuset" / each).read_text())

    def _remove_cgroups(self):
        try:
            for each in CGROUPS.iterdir():  # also where only the runtime made some
                for folder, _, _ in os.walk(each / self._cgroup, topdown=False):
                    Path(folder).rmdir()
        except OSError:  # the kernel has not closing the last process yet
            return False
        return True

    def _write(self):
        for path, value in SHOWN.items():
            (self.folder / "shown" / path.replace("/", ",")).write_text(f"{value}\n")
        (self.folder / "resolv.conf").write_text("")
        cable, proxy = self.cable, self._plane.kubeconfig(PROXY)
        for name, text in {
            "containerd.toml": node_config.containerd(self.folder, home().parent / "root/usr/lib/cni"),
            "cni/10-pods.conflist": node_config.pod_network(cable.pods),
            "kubelet.json": node_config.kubelet(self.folder, cable.address, self._cgroup),
            "kube-proxy.json": node_config.kube_proxy(self.name, cable.address, cable.all_pods, proxy),
        }.items():
            (self.folder / name).write_text(text)
