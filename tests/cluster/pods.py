"""Programs inside pods: run by containerd itself, so that they go on while the API server is away."""

import itertools
import json
import subprocess
import threading
from pathlib import Path

from tests.cluster.control_plane import LIMIT_S

PROGRAM = Path(__file__).with_name("load_program.py").read_text()
PYTHON = "/opt/nodeproxy/bin/python"  # of the repository's image, without a capability
_numbers = itertools.count(1)


def container(pod, name=None):
    """The id of a pod's container, its only one if not named."""
    states = pod["status"]["containerStatuses"]
    found = [each["containerID"] for each in states if name in (None, each["name"])]
    return found[0].removeprefix("containerd://")


def inside(node, pod, *command, name=None):
    """The words that run a command in a pod's container."""
    flags = ["tasks", "exec", f"--exec-id=test-{next(_numbers)}", container(pod, name)]
    return node.ctr_command(*flags, *command)


def run(node, pod, *command, name=None):
    """What a command in a pod's container prints; it must succeed."""
    done = subprocess.run(
        inside(node, pod, *command, name=name), capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Load:
    """A load program in a pod, from `with` to its end; `result` is what it has counted so far."""

    def __init__(self, node, pod, program, *words):
        self.result = {"requests": 0, "failed": 0}
        self._command = inside(node, pod, PYTHON, "-c", program, *words)

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._reader.join()
        self._process.stdout.close()
        assert self._process.wait(LIMIT_S) == 0

    def _read(self):
        for line in self._process.stdout:
            self.result = json.loads(line)
