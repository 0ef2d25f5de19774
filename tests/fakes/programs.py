"""Real servers that tests start: programs of Debian packages, on loopback, in a folder of their own, without root."""

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.node import COMMAND_LIMIT_S, LIMIT_S

NOBODY = 65534
_POSTGRES = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
PLACES = os.pathsep.join((*_POSTGRES, os.environ.get("PATH", ""), "/usr/sbin"))
"""Where programs are: PATH may lack those of the system, and of PostgreSQL's it has a wrapper at best."""


def program(package, *names):
    """The path of a program of a Debian package: the first of `names` that is installed. Skips the test without one."""
    for name in names:
        found = shutil.which(name, path=PLACES)
        if found is not None:
            return found
    assert not os.environ.get("NODEPROXY_NEEDS_KUBE"), f"{names[0]} is not installed; .ci/run installs {package}"
    pytest.skip(f"{names[0]} is not installed (apt-get install --no-install-recommends {package})")


def unprivileged(*command):
    """The words that run a command as `nobody` where this process is root, as some servers refuse to be."""
    words = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    return [*words, *map(str, command)]


@contextmanager
def own_folder():
    """A folder that `unprivileged` may write to; pytest's own are closed to all but this user."""
    with tempfile.TemporaryDirectory(prefix="nodeproxy-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder


@contextmanager
def running(*command, log, end, folder=None):
    """The process of a server; it is sent the signal `end` afterwards, and killed if it does not heed that."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=folder)
    try:
        yield process
    finally:
        process.send_signal(end)
        try:
            process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def said(*command, text=None, environment=None):
    """What a client prints; it must succeed."""
    done = subprocess.run(
        list(map(str, command)),
        input=text,
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
        env=None if environment is None else {**os.environ, **environment},
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}"
    return done.stdout


def listens(port, host="127.0.0.1"):
    """Whether connections to this port are accepted."""
    with socket.socket() as sock:
        return sock.connect_ex((host, port)) == 0
