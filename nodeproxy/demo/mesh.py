"""The demo's mesh: a `nodeproxy run` process with a folder of YAML."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

START_LIMIT_S = 20.0  # three Python processes on a busy laptop; usually one second
REPORT_LIMIT_S = 5.0
END_LIMIT_S = 30.0  # the proxy drains for at most 25 s
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # ignores http_proxy


class NotStarted(Exception):
    """The mesh did not become ready; the text contains the end of its log."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """The addresses and the folder of the running mesh."""

    listen: str
    admin: str
    metrics_address: str
    folder: Path

    def metrics(self, has: Callable[[str], bool]) -> str:
        """Its metrics page, once `has` is true of it; workers report once a second. After REPORT_LIMIT_S as it is."""
        until = time.monotonic() + REPORT_LIMIT_S
        while True:
            with DIRECT.open(f"http://{self.metrics_address}/metrics", timeout=5) as page:
                text = str(page.read().decode())
            if has(text) or time.monotonic() >= until:
                return text
            time.sleep(0.1)


@contextmanager
def running(folder: Path, ports: Mapping[str, int]) -> Iterator[Mesh]:
    """Run a mesh whose services have endpoints at these ports (by version name) until the block ends.

    Raises:
        NotStarted: the mesh exited, or was not ready within START_LIMIT_S.
    """
    template = Template(files("nodeproxy.demo").joinpath("shop.yaml").read_text())
    yaml = folder / "yaml"
    yaml.mkdir()
    values = {name.replace("-", "_"): port for name, port in ports.items()}
    (yaml / "shop.yaml").write_text(template.substitute(values))
    listen, admin, metrics = (f"127.0.0.1:{_port(wanted)}" for wanted in (8077, 9077, 9076))
    mesh = Mesh(listen, admin, metrics, yaml)
    command = [
        sys.executable, "-m", "nodeproxy", "run", "--discovery", f"files:{yaml}",
        "--listen", mesh.listen, "--admin", mesh.admin, "--metrics", mesh.metrics_address, "--workers", "1",
    ]  # fmt: skip
    log = folder / "nodeproxy.log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            _await_ready(mesh, process, log)
            yield mesh
        finally:
            _end(process)


def _await_ready(mesh: Mesh, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with DIRECT.open(f"http://{mesh.admin}/readyz", timeout=1):
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


def _port(wanted: int) -> int:
    """`wanted` if it is free, else any free port."""
    for port in (wanted, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as sock:
                return int(sock.getsockname()[1])
        except OSError:
            continue
    raise NotStarted("no free port on 127.0.0.1")
