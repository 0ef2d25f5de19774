"""The tour's mesh: a `nodeproxy run` process with a folder of YAML, and the commands that ask it."""

import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nodeproxy.demo.counters import Counters, counters_of

START_LIMIT_S = 60.0  # three Python processes on a busy machine; usually one second
REPORT_LIMIT_S = 60.0  # usually one second; a busy machine is slower
END_LIMIT_S = 30.0  # the proxy drains for at most 25 s
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # ignores http_proxy
PORTS = {"listen": 8077, "admin": 9077, "metrics": 9076, "page": 9070, "dns": 5377}
"""The settings that are addresses on loopback, with the port of each; any free one where that is taken."""


class NotStarted(Exception):
    """The mesh did not become ready; the text contains the end of its log."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """The settings of the running mesh."""

    settings: Mapping[str, str]
    environment: Path
    """A file for a shell to read, after which commands ask this mesh."""

    @property
    def listen(self) -> str:
        """The address for HTTP by mesh name."""
        return self.settings["listen"]

    @property
    def page(self) -> str:
        """The URL of its page for browsers, "" if it serves none."""
        url = f"http://{self.settings['page']}/"
        try:
            with DIRECT.open(url, timeout=5):
                return url
        except OSError:
            return ""

    def counters(self, has: Callable[[Counters], bool] = lambda _: True) -> Counters:
        """Its counters, once `has` is true of them; workers report once a second. After REPORT_LIMIT_S as they are.

        Raises: OSError: a worker has not reported since the start in that time, or there is no page.
        """
        until = time.monotonic() + REPORT_LIMIT_S
        while True:
            late = time.monotonic() >= until
            try:
                with DIRECT.open(f"http://{self.settings['metrics']}/metrics", timeout=5) as page:
                    found = counters_of(page.read().decode())
                if late or has(found):
                    return found
            except OSError:  # 503 until each worker has reported, or no page in time on a busy machine
                if late:
                    raise
            time.sleep(0.1)

    def started(self, *words: str) -> "subprocess.Popen[str]":
        """A command that asks this mesh, such as `endpoints reviews.shop`, while it runs."""
        return subprocess.Popen(
            [sys.executable, "-m", "nodeproxy", *words],
            env=os.environ | variables(self.settings), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def answer(self, *words: str) -> str:
        """What such a command prints."""
        with self.started(*words) as process:
            return process.communicate()[0]


def variables(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment in which a command has these settings."""
    return {f"NODEPROXY_{name.upper()}": value for name, value in settings.items()}


@contextmanager
def running(folder: Path, yaml: Path) -> Iterator[Mesh]:
    """Run a mesh of the folder `yaml` until the block ends; `folder` gets its log and its sockets.

    Raises:
        NotStarted: the mesh exited, or was not ready within START_LIMIT_S.
    """
    addresses = {name: f"127.0.0.1:{free_port(wanted)}" for name, wanted in PORTS.items()}
    settings = {**addresses, "discovery": f"files:{yaml}", "run_dir": str(folder / "run"), "workers": "1"}
    mesh = Mesh(settings, folder / "env")
    mesh.environment.write_text(_exports(settings))
    log = folder / "nodeproxy.log"
    command = [sys.executable, "-m", "nodeproxy", "run"]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=os.environ | variables(settings), stdout=output, stderr=output) as process,
    ):
        try:
            _await_ready(settings["admin"], process, log)
            yield mesh
        finally:
            _end(process)


def _exports(settings: Mapping[str, str]) -> str:
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables(settings).items()]
    return "".join(lines) + f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"\n'


def _await_ready(admin: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with DIRECT.open(f"http://{admin}/readyz", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise NotStarted(f"the mesh did not become ready; the end of its log:\n{log.read_text()[-2000:]}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Terminate the mesh and wait for it: after Ctrl-C, Popen's own exit waits only a quarter of a second."""
    process.terminate()
    try:
        process.wait(END_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()


def free_port(wanted: int = 0) -> int:
    """`wanted` if it is free, else any free port."""
    for port in (wanted, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as sock:
                return int(sock.getsockname()[1])
        except OSError:
            continue
    raise NotStarted("no free port on 127.0.0.1")
