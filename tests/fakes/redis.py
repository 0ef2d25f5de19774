"""A real Redis server that a test starts, kills and stops."""

import signal
import subprocess

from tests.fakes.node import until
from tests.fakes.ports import free_port
from tests.fakes.programs import listens, program


class Redis:
    """One server on loopback without files; `password` is required of clients if given."""

    def __init__(self, password=""):
        server = program("redis-server", "redis-server", "valkey-server")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [
            server, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            *(["--requirepass", password] if password else []),
        ]  # fmt: skip
        self._process = None

    def start(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: listens(self.port), "redis-server")

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
