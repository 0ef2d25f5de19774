"""Discovery as a process that follows an API server, and a worker's view of what it publishes."""

import socket
import subprocess
import sys
import time

from nodeproxy.mesh.wire import (
    Callers,
    Drop,
    Fresh,
    PolicyMaps,
    Put,
    Replace,
    Subscribe,
    Unsubscribe,
    Watches,
    line,
    parse,
)
from tests.cluster.control_plane import LIMIT_S


class Follower:
    """Reads the lines that a worker would, and keeps the table that they make."""

    def __init__(self, kubeconfig, folder, *flags):
        self._flags = flags
        self.log = folder / "discovery.log"
        self.services = {}
        self.accepted = {}
        self.fresh = 0
        self.age_s = None
        self.callers, self.watches = (), ()
        self._path = folder / "discovery.sock"
        self._kubeconfig = kubeconfig
        self._held = b""

    def __enter__(self):
        command = [
            sys.executable, "-m", "discovery", "serve", "--source", f"kube:{self._kubeconfig}",
            "--socket", str(self._path), *self._flags,
        ]  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + LIMIT_S
        self._socket = socket.socket(socket.AF_UNIX)
        while self._socket.connect_ex(str(self._path)):
            assert time.monotonic() < end and self.process.poll() is None, self.log.read_text()
            self._socket.close()
            self._socket = socket.socket(socket.AF_UNIX)
        return self

    def __exit__(self, *_):
        self._socket.close()
        self.process.terminate()
        assert self.process.wait(LIMIT_S) == 0, self.log.read_text()

    def until(self, claim, what):
        """Take lines until `claim` is true of this follower."""
        end = time.monotonic() + LIMIT_S
        while not claim(self):
            left = end - time.monotonic()
            assert left > 0, f"waited {LIMIT_S} s for {what}; have {self.services}; log:\n{self.log.read_text()}"
            self._take(left)

    def addresses(self, key):
        """Where the endpoints of a service are, all its ports together."""
        service = self.services.get(key)
        ports = service.ports if service else ()
        return sorted(f"{each.address}:{each.port}" for port in ports for each in port.endpoints)

    def want(self, key):
        """Ask for the endpoints of a service."""
        self._socket.sendall(line(Subscribe(key)))

    def leave(self, key):
        """Say that they are not needed any more."""
        self._socket.sendall(line(Unsubscribe(key)))

    def _take(self, left_s):
        self._socket.settimeout(left_s)
        try:
            data = self._socket.recv(1 << 20)
        except TimeoutError:
            return
        assert data, f"discovery has ended:\n{self.log.read_text()}"
        *lines, self._held = (self._held + data).split(b"\n")
        for text in lines:
            update = parse(text)
            if isinstance(update, Replace):
                self.services = {service.key: service for service in update.services}
                self.age_s = update.age_s
            elif isinstance(update, Put):
                self.services[update.service.key] = update.service
            elif isinstance(update, Drop):
                self.services.pop(update.key, None)
            elif isinstance(update, PolicyMaps):
                self.accepted = {f"{each.namespace}/{each.name}": each.accepted for each in update.maps}
            elif isinstance(update, Fresh):
                self.fresh += 1
            elif isinstance(update, Callers):
                self.callers = update.callers
            elif isinstance(update, Watches):
                self.watches = update.watches
