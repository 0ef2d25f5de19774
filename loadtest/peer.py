"""The peers, and how one is started: its configuration rendered from `peers/NAME/`, pinned, and seen to answer."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from loadtest.builds import Build, environment_of
from loadtest.errors import NotStartedError
from loadtest.machine import PROXY_CORE, free_ports
from loadtest.process import last_lines, running
from loadtest.procstat import family_of, listeners_on
from loadtest.toolbox import HERE, Toolbox

HTTP1, HTTP2, GRPC = "HTTP/1.1", "HTTP/2", "gRPC"
HOST = "echo.bench.mesh"
HTTP2_HOST = "echo-h2.bench.mesh"  # its endpoint speaks HTTP/2 with prior knowledge
GRPC_HOST = "grpc.bench.mesh"
SMALL_BYTES = 64
START_S = 20.0  # Python with all its imports on a busy machine


@dataclass(frozen=True, slots=True)
class Peer:
    """A proxy to measure. In `command` and `version`, `@program@` and the like stand for what is known at the start."""

    name: str
    command: tuple[str, ...]
    version: tuple[str, ...]
    program: str = ""  # looked for in the toolbox; this interpreter when empty
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_path: str = ""  # asked on the admin port first
    http2_hosts: tuple[str, ...] = (HOST, HTTP2_HOST, GRPC_HOST)  # those it serves to clients that speak HTTP/2
    own_http2_port: bool = False  # one that detects HTTP/2 by its preface needs none
    build: Build | None = None  # of nodeproxy, where it is not the one of the whole run
    files: str = ""  # the folder of `peers/` that has its configuration, where it is not its name


@dataclass(frozen=True, slots=True)
class Running:
    """A peer that answers. `worker` are the processes that carry its bytes, `all` its whole family.

    `http2_ports` are its ports for clients that speak HTTP/2, by Host.
    """

    name: str
    port: int
    worker: tuple[int, ...] = ()
    all: tuple[int, ...] = ()
    host: str = HOST
    http2_ports: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The ports of 127.0.0.1 behind the peers; nothing listens on those that a run has no use for."""

    http1: int
    http2: int
    grpc: int


NO_PROXY = "no proxy"
NODEPROXY = "nodeproxy"
SOURCE = "nodeproxy-source"
"""Nothing compiled by mypyc: Python with its helpers in C."""
OURS = Peer(
    NODEPROXY,
    command=(
        *("@program@", "-m", "nodeproxy", "run", "--workers", "1", "--discovery", "files:@dir@"),
        *("--listen", "127.0.0.1:@port@", "--admin", "127.0.0.1:@admin_port@"),
    ),
    version=("@program@", "-m", "nodeproxy", "--version"),
    ready_path="/readyz",
)
PEERS = (
    OURS,
    replace(OURS, name=SOURCE, build="source", files=NODEPROXY),
    Peer(
        "nginx",
        ("@program@", "-p", "@dir@", "-c", "@dir@/nginx.conf"),
        ("@program@", "-v"),
        "nginx",
        http2_hosts=(HOST,),  # to endpoints it speaks HTTP/1.1 (its module for gRPC keeps one stream per connection)
        own_http2_port=True,  # a cleartext listener of Debian's version speaks one protocol
    ),
    Peer("haproxy", ("@program@", "-db", "-f", "@dir@/haproxy.cfg"), ("@program@", "-v"), "haproxy"),
    Peer(
        "envoy",
        # Hot restart shares memory between all Envoys of a machine; one alone has no use for it.
        ("@program@", "-c", "@dir@/envoy.yaml", "--concurrency", "1", "--disable-hot-restart", "-l", "warning"),
        ("@program@", "--version"),
        "envoy",
    ),
    Peer(
        "traefik",
        ("@program@", "--configfile=@dir@/traefik.yaml"),
        ("@program@", "version"),
        "traefik",
        environment={"GOMAXPROCS": "1"},
    ),
)
NAMES = (*(peer.name for peer in PEERS), NO_PROXY)


def rendered(text: str, values: Mapping[str, str]) -> str:
    """The text with each `@name@` replaced.

    Raises: KeyError when one has no value.
    """
    return re.sub(r"@([a-z0-9]+(?:_[a-z0-9]+)*)@", lambda found: values[found[1]], text)


def write_configuration(name: str, folder: Path, values: Mapping[str, str]) -> None:
    """Render the files of the folder `peers/NAME/` into `folder`, which is created."""
    folder.mkdir()
    for template in (HERE / "peers" / name).iterdir():
        (folder / template.name).write_text(rendered(template.read_text(), values))


@contextmanager
def started(
    peer: Peer, toolbox: Toolbox, folder: Path, endpoints: Endpoints, more: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """The peer, alone on its core and answering. `more` are templates of files for it besides those of its folder.

    Raises: NotInstalledError; NotStartedError when it ends or stays silent.
    """
    port, admin_port, http2_port = _ports()
    values = {
        "program": program_of(peer, toolbox),
        "dir": str(folder / peer.name),
        "port": str(port),
        "admin_port": str(admin_port),
        "http2_port": str(http2_port),
        "backend_port": str(endpoints.http1),
        "http2_backend_port": str(endpoints.http2),
        "grpc_backend_port": str(endpoints.grpc),
        "user_line": user_line(),
    }
    write_configuration(peer.files or peer.name, folder / peer.name, values)
    for name, template in (more or {}).items():
        (folder / peer.name / name).write_text(rendered(template, values))
    command = tuple(rendered(word, values) for word in peer.command)
    log = folder / f"{peer.name}.log"
    environment = {**(environment_of(peer.build, toolbox) if peer.build else {}), **peer.environment}
    with running(command, PROXY_CORE, log, environment) as process:
        if peer.ready_path:
            wait_until(lambda: answers(admin_port, peer.ready_path), process, log)
        wait_until(lambda: answers(port, "/small"), process, log)
        family = family_of(process.pid)
        worker = family if peer.program else listeners_on(port, family[1:])  # of nodeproxy's processes, one
        http2_ports = dict.fromkeys(peer.http2_hosts, http2_port if peer.own_http2_port else port)
        yield Running(peer.name, port, worker or family, family, http2_ports=http2_ports)


def _ports() -> tuple[int, int, int]:
    """Three free ports, of which the second has a free neighbour: a second worker's admin listener is there."""
    while True:
        port, admin_port, http2_port = free_ports(3)
        try:
            socket.create_server(("127.0.0.1", admin_port + 1)).close()
        except OSError:  # a listener, or a client of an earlier load whose connection the kernel has not forgotten
            continue
        if admin_port + 1 not in (port, http2_port):
            return port, admin_port, http2_port


def program_of(peer: Peer, toolbox: Toolbox) -> str:
    """The path of the peer's program; nodeproxy's is the interpreter that runs this.

    Raises: NotInstalledError.
    """
    return toolbox.find(peer.program) if peer.program else sys.executable


def user_line() -> str:
    """As root, nginx would give its workers to another user, who may not read our temporary folder."""
    return "user root;" if os.geteuid() == 0 else ""


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the process is ready.

    Raises: NotStartedError when it ends before, or is not ready in time; with the end of its log.
    """
    give_up = time.monotonic() + START_S
    while not ready():
        if process.poll() is not None:
            raise NotStartedError(f"ended with status {process.returncode} before it answered:\n{last_lines(log)}")
        if time.monotonic() > give_up:
            raise NotStartedError(f"no good answer within {START_S:.0f} s:\n{last_lines(log)}")
        time.sleep(0.05)


def answers(port: int, path: str, host: str = HOST) -> bool:
    """Whether a good answer comes for `path`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path, headers={"Host": host, "Connection": "close"})
        response = connection.getresponse()
        body = response.read()
        return response.status == 200 and (path != "/small" or len(body) == SMALL_BYTES)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
