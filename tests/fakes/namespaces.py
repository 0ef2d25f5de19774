"""Pods and their node as network namespaces: real addresses, real routes, no containers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LIMIT_S = 60.0  # a machine under load is slow, a hang is longer


def ip(*words):
    """ip(8), which must succeed."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Node:
    """A namespace for a node and one per pod, joined by veth pairs; the node routes between them."""

    def __init__(self):
        self.name = f"np{os.getpid() % 100000}"
        self._namespaces = []
        self._processes = {}

    def __enter__(self):
        if (
            os.geteuid()
            or subprocess.run(["ip", "netns", "add", self.name], capture_output=True, check=False).returncode
        ):
            pytest.skip("network namespaces need root and iproute2: the tests of tests/namespaces do not run")
        self._namespaces.append(self.name)
        ip("-n", self.name, "link", "set", "lo", "up")
        self.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")  # a bare Debian has no sysctl(8)
        return self

    def __exit__(self, *_):
        for process, stop in self._processes.items():
            process.send_signal(stop)
        for process in self._processes:
            process.wait(LIMIT_S)
        for name in self._namespaces:
            ip("netns", "del", name)

    def pod(self, number):
        """The namespace of a new pod, at 10.244.0.`number`; everything it does not know is its node's to route."""
        name, address = f"{self.name}p{number}", f"10.244.0.{number}"
        ip("netns", "add", name)
        self._namespaces.append(name)
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", f"v{number}", "netns", self.name)
        ip("-n", name, "addr", "add", f"{address}/32", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", self.name, "link", "set", f"v{number}", "up")
        ip("-n", self.name, "route", "add", f"{address}/32", "dev", f"v{number}")
        ip("-n", name, "route", "add", "169.254.1.1", "dev", "eth0", "scope", "link")
        ip("-n", name, "route", "add", "default", "via", "169.254.1.1")
        hardware = self._mac(f"v{number}")
        ip("-n", name, "neigh", "add", "169.254.1.1", "dev", "eth0", "lladdr", hardware, "nud", "permanent")
        return name

    def run(self, *command, namespace=None, **options):
        """What a command prints in the node's namespace, or a pod's."""
        return subprocess.run(
            self._inside(namespace, command), capture_output=True, text=True, timeout=LIMIT_S, check=False, **options
        )

    def start(self, *command, namespace=None, log=None, stop=signal.SIGTERM, **options):
        """A process in the node's namespace, or a pod's; it ends with the node, by the signal `stop`."""
        with Path(log or os.devnull).open("wb") as output:
            process = subprocess.Popen(self._inside(namespace, command), stdout=output, stderr=output, **options)
        self._processes[process] = stop
        return process

    def python(self, source, namespace, *arguments):
        """What a Python program prints in a pod's namespace."""
        done = self.run(sys.executable, "-c", source, *arguments, namespace=namespace)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def until(self, claim, what):
        """Ask again until `claim` is true."""
        end = time.monotonic() + LIMIT_S
        while not claim():
            assert time.monotonic() < end, f"waited {LIMIT_S} s for {what}"

    def _mac(self, link):
        shown = subprocess.run(
            ["ip", "-n", self.name, "-o", "link", "show", link], capture_output=True, text=True, check=True
        ).stdout
        return shown.split("link/ether ")[1].split()[0]

    def _inside(self, namespace, command):
        return ["nsenter", f"--net=/run/netns/{namespace or self.name}", *command]
