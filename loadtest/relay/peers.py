"""The peers as relays of TCP or UDP, and what stands behind them: started, pinned, and seen to carry bytes."""

import os
import resource
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from loadtest.errors import BenchmarkError, NotInstalledError, NotStartedError
from loadtest.machine import GENERATOR_CORE, PROXY_CORE, quiet_ports, version_of
from loadtest.peer import (
    NO_PROXY,
    NODEPROXY,
    PEERS,
    Peer,
    answers,
    program_of,
    rendered,
    user_line,
    wait_until,
    write_configuration,
)
from loadtest.process import running
from loadtest.procstat import family_of, listeners_on
from loadtest.record import Missing
from loadtest.run import SHARED_MEMORY, Say
from loadtest.toolbox import Toolbox

LOOPBACK = "127.0.0.1"
TRY_S = 0.5
OPEN_FILES = 65536  # more than two for each of 10,000 connections, in one process
SPARE_FILES = 600  # of such a process: nodeproxy reserves 288, and has a few of its own
CONNECTIONS_MOST = 10_000
DNS_NAME = "answer.bench.test"
DNS_ADDRESS = "192.0.2.1"  # RFC 5737; udpload.c expects both
_DNS_QUERY = b"\1\2\1\0\0\1\0\0\0\0\0\0\6answer\5bench\4test\0\0\1\0\1"

Address = tuple[str, int]
Carries = Callable[[Address], bool]


@dataclass(frozen=True, slots=True)
class Kind:
    """A transport: its services by name, where nodeproxy has them, and how one is seen to answer."""

    name: str  # and the prefix of the folders with the peers' configurations
    services: Mapping[str, str]  # each with the virtual address that nodeproxy derives from its ClusterIP
    carries: Carries
    peers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relay:
    """A peer that carries bytes. `at` are its addresses by service; `worker` are the processes that carry."""

    name: str
    at: Mapping[str, Address]
    worker: tuple[int, ...] = ()
    all: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind the relays: the ports of 127.0.0.1 by service, and the process of each."""

    ports: Mapping[str, int]
    pids: Mapping[str, int]


def echoes(address: Address) -> bool:
    """Whether a connection to this address returns what is sent; see tcp.h."""
    with suppress(OSError), socket.create_connection(address, TRY_S) as connection:
        connection.sendall(b"echo")
        return connection.recv(4) == b"echo"
    return False


def resolves(address: Address) -> bool:
    """Whether a DNS query to this address is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:
        query.settimeout(TRY_S)
        with suppress(OSError):
            query.connect(address)
            query.send(_DNS_QUERY)
            return query.recv(512).endswith(socket.inet_aton(DNS_ADDRESS))
    return False


TCP = Kind("tcp", {"echo": "127.77.0.90", "bulk": "127.77.0.91"}, echoes, (NODEPROXY, "haproxy", "envoy"))
UDP = Kind("udp", {"dns": "127.77.0.92"}, resolves, (NODEPROXY, "envoy"))  # Debian's HAProxy relays no UDP


def names_of(kind: Kind) -> tuple[str, ...]:
    """The peers of this kind, and the way without one."""
    return (*kind.peers, NO_PROXY)


def allow_open_files() -> None:
    """Raise this process' limit of open files, which those that it starts inherit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in ((OPEN_FILES, max(OPEN_FILES, hard)), (hard, hard)):
        with suppress(OSError, ValueError):  # only root may raise the hard limit, and not in every sandbox
            resource.setrlimit(resource.RLIMIT_NOFILE, wanted)
            return


def connections_most() -> int:
    """How many connections a process with this one's limit of open files may relay, at most CONNECTIONS_MOST."""
    return min(CONNECTIONS_MOST, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES) // 2)


@contextmanager
def all_relays(
    kind: Kind, chosen: tuple[str, ...], toolbox: Toolbox, say: Say
) -> Iterator[tuple[tuple[Relay, ...], tuple[Missing, ...], Behind]]:
    """All chosen peers at once, those that could not be started, and what stands behind them.

    Raises: BenchmarkError when nodeproxy is chosen and cannot be started; NotInstalledError without an endpoint.
    """
    relays: list[Relay] = []
    missing: list[Missing] = []
    with ExitStack() as stack:
        within = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nodeproxy-relay-", dir=within)))
        behind = stack.enter_context((tcp_servers if kind is TCP else _dns_server)(toolbox, folder))
        for peer in (each for each in PEERS if each.name in chosen):
            try:
                relays.append(stack.enter_context(_started(kind, peer, toolbox, folder, behind)))
                say(f"{peer.name} answers")
            except (NotInstalledError, NotStartedError) as error:
                if peer.name == NODEPROXY:
                    raise BenchmarkError(f"nodeproxy: {error}") from error
                missing.append(Missing(peer.name, str(error)))
                say(f"{peer.name} IS NOT MEASURED: {error}")
        if NO_PROXY in chosen:
            relays.append(Relay(NO_PROXY, {name: (LOOPBACK, port) for name, port in behind.ports.items()}))
        yield tuple(relays), tuple(missing), behind


def versions_of(relays: tuple[Relay, ...], toolbox: Toolbox) -> dict[str, str]:
    """The versions of the peers."""
    names = {relay.name for relay in relays}
    return {
        peer.name: version_of(tuple(rendered(word, {"program": program_of(peer, toolbox)}) for word in peer.version))
        for peer in PEERS
        if peer.name in names
    }


@contextmanager
def _started(kind: Kind, peer: Peer, toolbox: Toolbox, folder: Path, behind: Behind) -> Iterator[Relay]:
    """The peer, alone on its core and carrying bytes.

    Raises: NotInstalledError; NotStartedError when it ends, or carries nothing.
    """
    port, admin_port, *own = quiet_ports(2 + len(kind.services))
    ports = dict(zip(kind.services, own, strict=True))
    name = f"{kind.name}-{peer.name}"
    values = {"program": program_of(peer, toolbox), "dir": str(folder / name), "user_line": user_line()}
    values |= {"port": str(port), "admin_port": str(admin_port), "connections_most": str(connections_most() + 64)}
    for service in kind.services:
        values |= {f"{service}_port": str(ports[service]), f"{service}_backend_port": str(behind.ports[service])}
    write_configuration(name, folder / name, values)
    command, log = tuple(rendered(word, values) for word in peer.command), folder / f"{name}.log"
    own_addresses = peer.name == NODEPROXY
    at = {service: (kind.services[service] if own_addresses else LOOPBACK, ports[service]) for service in ports}
    with running(command, PROXY_CORE, log, peer.environment) as process:
        if peer.ready_path:
            wait_until(lambda: answers(admin_port, peer.ready_path), process, log)
        wait_until(lambda: kind.carries(next(iter(at.values()))), process, log)
        family = family_of(process.pid)
        worker = listeners_on(port, family[1:]) if own_addresses else family  # its listener for HTTP is a worker's
        yield Relay(peer.name, at, worker or family, family)


@contextmanager
def tcp_servers(toolbox: Toolbox, folder: Path) -> Iterator[Behind]:
    """One tcpserver for echoes and one for bulk, so that one does not wait for the other."""
    program = toolbox.compiled("tcpserver")
    with ExitStack() as stack:
        ports = dict(zip(TCP.services, quiet_ports(len(TCP.services)), strict=True))
        pids = {}
        for service, port in ports.items():
            log = folder / f"{service}.log"
            process = stack.enter_context(running((program, str(port)), GENERATOR_CORE, log, {}))
            wait_until(partial(echoes, (LOOPBACK, port)), process, log)
            pids[service] = process.pid
        yield Behind(ports, pids)


@contextmanager
def _dns_server(toolbox: Toolbox, folder: Path) -> Iterator[Behind]:
    """dnsmasq, which answers for one name from its configuration."""
    (port,) = quiet_ports(1)
    command = (
        *(toolbox.find("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file", f"--port={port}"),
        *(f"--listen-address={LOOPBACK}", "--bind-interfaces", "--no-resolv", "--no-hosts", "--log-facility=-"),
        f"--address=/{DNS_NAME}/{DNS_ADDRESS}",
        *(("--user=root",) if os.geteuid() == 0 else ()),
    )
    log = folder / "dnsmasq.log"
    with running(command, GENERATOR_CORE, log, {}) as process:
        wait_until(lambda: resolves((LOOPBACK, port)), process, log)
        yield Behind({"dns": port}, {"dns": process.pid})


def has_priority() -> bool:
    """Whether this process may put others before those of normal priority (SCHED_FIFO)."""
    return os.geteuid() == 0 and shutil.which("chrt") is not None
