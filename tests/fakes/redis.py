"""A real Redis server that a test starts, kills and stops."""

import os
import shutil
import signal
import socket
import subprocess

import pytest

from tests.fakes.node import until
from tests.fakes.ports import free_port


class Redis:
    """One server on loopback without files; `password` is required of clients if given."""

    def __init__(self, password=""):
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            assert not os.environ.get("NODEPROXY_NEEDS_KUBE"), "redis-server is not installed; .ci/run installs it"
            pytest.skip("redis-server is not installed (apt-get install redis-server)")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [
            program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            *(["--requirepass", password] if password else []),
        ]  # fmt: skip
        self._process = None

    def start(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._listens, "redis-server")

    def freeze(self):
        """Accept connections, and answer nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    def kill(self):
        self._process.kill()
        self._process.wait()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def _listens(self):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0
