"""Where a run happened: hardware, kernel, interpreter, versions, commit. And what it takes from it: ports, cores."""

import os
import platform
import re
import socket
import subprocess
import sysconfig
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

PROXY_CORE = 0
GENERATOR_CORE = 1  # and the backend's: two cores are what every machine has
FIRST = ("chrt", "-f", "1")  # SCHED_FIFO: before every other process of their core


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine of a run, as its numbers' reader must know it."""

    cpu: str
    cores: int
    kernel: str
    python: str
    load_average: float  # of the last minute, when the run began: what others did on this machine
    python_build: str = ""


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit measured, and whether the tree differed from it."""

    hash: str
    dirty: bool


def this_machine() -> Machine:
    """The machine this process runs on."""
    return Machine(
        cpu=parse_cpu_model(Path("/proc/cpuinfo").read_text()),
        cores=os.cpu_count() or 1,
        kernel=platform.release(),
        python=platform.python_version(),
        load_average=round(os.getloadavg()[0], 2),
        python_build=python_build(sysconfig.get_config_vars()),
    )


def python_build(variables: Mapping[str, object]) -> str:
    """How the interpreter was built: its compiler, and what optimised it.

    Debian's own is optimised by profiles too, and does not say so.
    """
    flags = f"{variables.get('OPT', '')} {variables.get('CONFIG_ARGS', '')}".replace("'", " ").split()
    optimising = (
        flag for flag in flags if flag.startswith(("-O", "-flto", "-fprofile", "--enable-optim", "--with-lto"))
    )
    return ", ".join([platform.python_compiler(), *dict.fromkeys(optimising)])


def parse_cpu_model(cpuinfo: str) -> str:
    """The first model name in /proc/cpuinfo, or the architecture where none is given (arm64)."""
    found = re.search(r"^model name\s*: (.+)$", cpuinfo, re.M)
    return found[1].strip() if found else platform.machine()


def this_commit(repository: Path) -> Commit:
    """The commit checked out in `repository`; results of earlier runs, also in READMEs, do not make it dirty."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    changed = git("status", "--porcelain", "--", ".", ":!loadtest/results", ":!README.md", ":!loadtest/README.md")
    return Commit(hash=git("rev-parse", "HEAD"), dirty=bool(changed))


def version_of(command: tuple[str, ...]) -> str:
    """The first version-like word a program prints when asked; some print to stderr, wrk exits with 1."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    found = re.search(r"\d+\.\d+(?:\.\d+)?", done.stdout + done.stderr)
    return found[0] if found else "unknown"


def cache_step_s(walk: str) -> float:
    """Seconds per step of a random walk through the shared cache, by the compiled `walk.c`, on the proxies' core."""
    return float(subprocess.run(pinned(PROXY_CORE, (walk,)), capture_output=True, text=True, check=True).stdout)


def pinned(core: int, command: tuple[str, ...]) -> tuple[str, ...]:
    """The command, run on one core with all that it starts."""
    return ("taskset", "-c", str(core), *command)


def quiet_ports(count: int) -> tuple[int, ...]:
    """Ports of 127.0.0.1, free for TCP and UDP, that no outgoing connection takes before something listens there.

    Processes that ask at the same time begin their search at different ports.
    """
    highest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]) - 1
    begin = highest - os.getpid() * 61 % 2048
    found: list[int] = []
    for port in (*range(begin, 1024, -1), *range(highest, begin, -1)):
        if len(found) == count:
            break
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp, suppress(OSError):
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            found.append(port)
    return tuple(found)


def free_ports(count: int) -> tuple[int, ...]:
    """Ports of 127.0.0.1 that nobody holds now: all bound at once, so all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return tuple(each.getsockname()[1] for each in sockets)
