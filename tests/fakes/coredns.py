"""A real CoreDNS, on a Corefile of the test's."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.cluster.control_plane import home

LIMIT_S = 60.0  # only ever used up by a test that fails


def program():
    """CoreDNS as `make kube` gets it, or another one (COREDNS=…)."""
    path = Path(os.environ.get("COREDNS") or home() / "coredns")
    if not path.exists():
        message = f"no CoreDNS at {path}: `make kube` gets it"
        (pytest.fail if os.environ.get("NODEPROXY_NEEDS_KUBE") else pytest.skip)(message)
    return str(path)


class CoreDns:
    """Runs with the given Corefile, which it takes anew when its plugin `reload` finds it changed."""

    def __init__(self, folder, corefile):
        self._path = folder / "Corefile"
        self.log = folder / "coredns.log"
        self.write(corefile)

    def write(self, corefile):
        """Put another Corefile in its place, at once and whole."""
        fresh = self._path.with_suffix(".new")
        fresh.write_text(corefile)
        fresh.replace(self._path)

    def __enter__(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([program(), "-conf", str(self._path)], stdout=log, stderr=log)
        return self

    def __exit__(self, *_):
        self.process.kill()  # told to end, it goes on answering for seconds
        self.process.wait(LIMIT_S)
