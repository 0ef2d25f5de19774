"""Where a cluster of test nodes is on this machine: one of eight places, so that test runs do not meet.

All that is touched of the machine's own network is a bridge, one cable per node and a route to the pods of each.
"""

import socket
import subprocess

from tests.cluster.node import Cable, run

PLACES = 8


class Place:
    """A free place, held as long as a `with` lasts."""

    def __enter__(self):
        for number in range(PLACES):
            # an abstract name belongs to the network namespace, as the bridges do: it also keeps out test runs with
            # another KUBE_HOME or another root, and the kernel frees it however this process ends
            self._lock = socket.socket(socket.AF_UNIX)
            try:
                self._lock.bind(f"\0nodeproxy-place-{number}")
                break
            except OSError:  # it is in use
                self._lock.close()
        else:
            raise AssertionError(f"{PLACES} test clusters run on this machine already")
        self.bridge, self.address = f"npb{number}", f"10.79.{number}.1"
        pods = f"10.{200 + number}"
        self.cables = [
            Cable(f"{self.bridge}n{node}", f"10.79.{number}.1{node}", f"{pods}.{node}.0/24", f"{pods}.0.0/16")
            for node in (1, 2)
        ]
        self._clear()  # of a run that was killed
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "address", "add", f"{self.address}/24", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        return self

    def __exit__(self, *_):
        self._clear()
        self._lock.close()

    def _clear(self):
        for link in (self.bridge, *(each.link for each in self.cables)):
            subprocess.run(["ip", "link", "del", link], capture_output=True, check=False)

    def connect(self, node):
        """Lay the cable of a node, and show every node the way to the pods of the others."""
        cable = node.cable
        run("ip", "link", "add", cable.link, "type", "veth", "peer", "name", "eth0", "netns", str(node.pid))
        run("ip", "link", "set", cable.link, "master", self.bridge, "up")
        run("ip", "route", "add", cable.pods, "via", cable.address, "dev", self.bridge)
        node.run("ip", "link", "set", "lo", "up")
        node.run("ip", "address", "add", f"{cable.address}/24", "dev", "eth0")
        node.run("ip", "link", "set", "eth0", "up")
        node.run("ip", "route", "add", "default", "via", self.address)
        for other in self.cables:
            if other != cable:
                node.run("ip", "route", "add", other.pods, "via", other.address)
