"""The peers as relays of TCP or UDP, and what stands behind them: started, pinned, and seen to carry bytes."""

import os
import resource
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

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
from loadtest.run import Say, begun, folder_in_memory
from loadtest.toolbox import Toolbox

LOOPBACK = "127.0.0.1"
TRY_S = 0.5
OPEN_FILES = 65536  # more than two for each of 10,000 connections, in one process
SPARE_FILES = 600  # of such a process: nodeproxy reserves 288, and has a few of its own
TCP_EIGHTHS = 7  # of its clients that nodeproxy lets TCP have; the rest is for HTTP
CONNECTIONS_MOST = 10_000
DNS_NAME = "answer.bench.test"
DNS_ADDRESS = "192.0.2.1"  # RFC 5737; udpload.c expects both
_DNS_QUERY = b"\1\2\1\0\0\1\0\0\0\0\0\0\6answer\5bench\4test\0\0\1\0\1"

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Kind:
    """A transport: its services by name, where nodeproxy has them, and how one is seen to answer."""

    name: str  # and the prefix of the folders with the peers' configurations
    services: Mapping[str, str]  # each with the virtual address that nodeproxy derives from its ClusterIP
    carries: Callable[["Relay"], bool]
    peers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relay:
    """A peer that carries bytes. `at` are its addresses by service; `worker` are the processes that carry."""

    name: str
    at: Mapping[str, Address]
    worker: tuple[int, ...] = ()
    all: tuple[int, ...] = ()
    preface: Mapping[str, bytes] = field(default_factory=dict)  # by service: what a connection sends first


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind the relays: the ports of 127.0.0.1 by service, and the process of each."""

    ports: Mapping[str, int]
    pids: Mapping[str, int]


def echoes(relay: Relay) -> bool:
    """Whether a connection returns what is sent; see tcp.h."""
    with suppress(OSError), connected(relay, "echo", TRY_S) as connection:
        connection.sendall(b"echo")
        return connection.recv(4) == b"echo"
    return False


def resolves(relay: Relay) -> bool:
    """Whether a DNS query is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:
        query.settimeout(TRY_S)
        with suppress(OSError):
            query.connect(relay.at["dns"])
            query.send(_DNS_QUERY)
            return query.recv(512).endswith(socket.inet_aton(DNS_ADDRESS))
    return False


TCP = Kind("tcp", {"echo": "127.77.0.90", "bulk": "127.77.0.91"}, echoes, (NODEPROXY, "haproxy", "envoy"))
UDP = Kind("udp", {"dns": "127.77.0.92"}, resolves, (NODEPROXY, "envoy"))  # Debian's HAProxy relays no UDP


ZTUNNEL = Peer(
    "ztunnel",
    command=("@program@", "proxy", "ztunnel"),
    version=("true",),  # it prints only that of its compiler, unless Istio's own build made it
    program="ztunnel",
    environment={
        **{"XDS_ADDRESS": "", "LOCAL_XDS_PATH": "@dir@/localhost.yaml", "FAKE_CA": "true"},
        **{"PROXY_MODE": "dedicated", "PROXY_WORKLOAD_INFO": "default/local/default", "ENABLE_ORIG_SRC": "false"},
        **{"UNSTABLE_ENABLE_SOCKS5": "true", "ZTUNNEL_WORKER_THREADS": "1", "RUST_LOG": "error"},
    },
)
"""Istio's relay of a node, where a program was built with its feature `testing`: it is in no package registry."""
SOCKS = (LOOPBACK, 15080)  # where ztunnel takes connections that no rule of the kernel redirects to it
SOCKS_ANSWER_BYTES = 12  # a method, and a reply with an IPv4 address (RFC 1928, 3 and 6)


def names_of(kind: Kind) -> tuple[str, ...]:
    """The peers of this kind, and the way without one."""
    return (*kind.peers, NO_PROXY)


def optional_names_of(kind: Kind) -> tuple[str, ...]:
    """Peers that are measured only where they are named, because no registry has them."""
    return (ZTUNNEL.name,) if kind is TCP else ()


def connected(relay: Relay, service: str, limit_s: float) -> socket.socket:
    """A connection through the relay to the service. Raises: OSError."""
    connection = socket.create_connection(relay.at[service], limit_s)
    if preface := relay.preface.get(service):
        connection.sendall(preface)
        missing = SOCKS_ANSWER_BYTES
        while missing and (some := connection.recv(missing)):  # with a limit of time MSG_WAITALL does not wait
            missing -= len(some)
    return connection


def socks_to(port: int) -> bytes:
    """What asks a SOCKS server for a connection to this port of 127.0.0.1, without a password (RFC 1928, 3 and 4)."""
    return b"\5\1\0" + b"\5\1\0\1" + socket.inet_aton(LOOPBACK) + port.to_bytes(2, "big")


def allow_open_files() -> None:
    """Raise this process' limit of open files, which those that it starts inherit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in ((OPEN_FILES, max(OPEN_FILES, hard)), (hard, hard)):
        with suppress(OSError, ValueError):  # only root may raise the hard limit, and not in every sandbox
            resource.setrlimit(resource.RLIMIT_NOFILE, wanted)
            return


def connections_most() -> int:
    """How many connections a process with this one's limit of open files may relay, at most CONNECTIONS_MOST."""
    clients = (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES) // 2
    return min(CONNECTIONS_MOST, clients * TCP_EIGHTHS // 8)


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
        folder = folder_in_memory("nodeproxy-relay-", stack)
        behind = stack.enter_context((tcp_servers if kind is TCP else _dns_server)(toolbox, folder))
        for peer in (each for each in (*PEERS, ZTUNNEL) if each.name in chosen):
            relays += begun(peer.name, _started(kind, peer, toolbox, folder, behind), stack, missing, say)
        if NO_PROXY in chosen:
            relays.append(Relay(NO_PROXY, {name: (LOOPBACK, port) for name, port in behind.ports.items()}))
        yield tuple(relays), tuple(missing), behind


def versions_of(relays: tuple[Relay, ...], toolbox: Toolbox) -> dict[str, str]:
    """The versions of the peers."""
    names = {relay.name for relay in relays}
    return {
        peer.name: version_of(tuple(rendered(word, {"program": program_of(peer, toolbox)}) for word in peer.version))
        for peer in (*PEERS, ZTUNNEL)
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
    relay = Relay(
        peer.name,
        {service: (kind.services[service] if own_addresses else LOOPBACK, ports[service]) for service in ports},
    )
    if peer is ZTUNNEL:
        prefaces = {service: socks_to(behind.ports[service]) for service in ports}
        relay = replace(relay, at=dict.fromkeys(ports, SOCKS), preface=prefaces)
    environment = {name: rendered(value, values) for name, value in peer.environment.items()}
    with running(command, PROXY_CORE, log, environment) as process:
        if peer.ready_path:
            wait_until(lambda: answers(admin_port, peer.ready_path), process, log)
        wait_until(lambda: kind.carries(relay), process, log)
        family = family_of(process.pid)
        worker = listeners_on(port, family[1:]) if own_addresses else family  # its listener for HTTP is a worker's
        yield replace(relay, worker=worker or family, all=family)


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
            wait_until(partial(echoes, Relay(service, {"echo": (LOOPBACK, port)})), process, log)
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
        wait_until(lambda: resolves(Relay("dnsmasq", {"dns": (LOOPBACK, port)})), process, log)
        yield Behind({"dns": port}, {"dns": process.pid})


def has_priority() -> bool:
    """Whether this process may put others before those of normal priority (SCHED_FIFO)."""
    return os.geteuid() == 0 and shutil.which("chrt") is not None
