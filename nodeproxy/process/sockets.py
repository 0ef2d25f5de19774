"""The listening sockets of one worker. The supervisor holds them, so they outlive the worker.

Until the worker listens, connections go to the proxy that listens at the address already, during an update.
"""

import errno
import logging
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

import trio

from nodeproxy.downstream.listener import bound
from nodeproxy.io.capacity import SUPERVISOR_RESERVE, open_files
from nodeproxy.io.datagrams import bound_datagrams
from nodeproxy.io.handover import HeldSockets
from nodeproxy.setting_text import split_address
from nodeproxy.settings import Settings

_CURES = {
    errno.EACCES: " (a port below 1024 needs CAP_NET_BIND_SERVICE)",
    errno.EADDRNOTAVAIL: " (`nodeproxy net up` adds the mesh's own to a node)",
}
RETRY_S = 1.0  # before another attempt to open sockets
T = TypeVar("T")
log = logging.getLogger(__name__)


class CannotListen(Exception):
    """A listener address cannot be bound; the text says which, why, and which setting to change."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """The listening sockets of a worker: for clients of the mesh, and for probes."""

    main: socket.socket
    tls: socket.socket | None
    admin: socket.socket
    held: HeldSockets
    """The sockets that the worker opens later."""

    def dns(self, address: tuple[str, int]) -> tuple[socket.socket, socket.socket]:
        """The sockets for DNS at `address`, for datagrams and for connections; opened or inherited.

        Raises:
            OSError: an address is in use, not local, or its port requires a privilege; or no descriptor is available.
        """
        datagrams = self.held.opened(("dns-udp", *address), lambda: bound_datagrams(address))
        stream = self.held.opened(("dns-tcp", *address), lambda: bound(address))
        self.held.flush()
        return datagrams, stream

    def close_for_clients(self) -> None:
        """Close the copies of this process at the addresses of the proxy itself that clients of the mesh use."""
        self.main.close()
        if self.tls is not None:
            self.tls.close()

    def close(self) -> None:
        """Close the copies of this process. An address is released when no process has a copy open."""
        self.close_for_clients()
        self.admin.close()
        self.held.close()


def opened(settings: Settings, index: int) -> Sockets:
    """The sockets of worker `index`. Workers share the main address; each has its own admin port.

    Raises:
        CannotListen: an address is in use, not local, or its port requires a privilege.
        OSError: no descriptor is available.
    """
    host, port = split_address(settings.admin)
    with ExitStack() as stack:
        main = stack.enter_context(_bound(split_address(settings.listen), "listen"))
        tls = None
        if settings.listen_tls:
            tls = stack.enter_context(_bound(split_address(settings.listen_tls), "listen_tls"))
        admin = stack.enter_context(_bound((host, port + index if port else 0), "admin"))
        if settings.dns:
            _look_at_dns(split_address(settings.dns))
        stack.pop_all()  # all are open; keep them open
        return Sockets(main, tls, admin, HeldSockets(open_files() - SUPERVISOR_RESERVE))


async def retried(opening: Callable[[], T]) -> T:
    """The result of `opening`, retried until it succeeds: a worker does not end for lack of a descriptor."""
    logged = False
    while True:
        try:
            return opening()
        except OSError as error:
            if not logged:
                log.warning("cannot open sockets or files; retrying", extra={"error": str(error)})
            logged = True
        await trio.sleep(RETRY_S)


def look_at_metrics(settings: Settings) -> None:
    """Check that the control process can serve /metrics at its address.

    Raises:
        CannotListen: the address is in use, not local, or its port requires a privilege.
    """
    _bound(split_address(settings.metrics), "metrics").close()


def _bound(address: tuple[str, int], setting: str) -> socket.socket:
    try:
        return bound(address)
    except OSError as error:
        raise _cannot_listen(address, setting, error) from error


def _cannot_listen(address: tuple[str, int], setting: str, error: OSError) -> CannotListen:
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    cure = _CURES.get(error.errno or 0, "")
    return CannotListen(f"cannot listen at {host}:{address[1]}: {error.strerror}{cure}; change `{setting}`")


def _look_at_dns(address: tuple[str, int]) -> None:
    """Check that DNS can be served at the address; the worker opens its sockets later.

    A bound UDP socket receives datagrams at once, so the address is not bound, even briefly, while the previous proxy
    of an update may serve it. That proxy also has the TCP port; a process with only the UDP port is not a proxy.
    """
    _bound(address, "dns").close()
    if _is_alone(address, socket.SOCK_STREAM) and not _is_alone(address, socket.SOCK_DGRAM):
        try:
            bound_datagrams(address).close()
        except OSError as error:
            raise _cannot_listen(address, "dns", error) from error


def _is_alone(address: tuple[str, int], kind: socket.SocketKind) -> bool:
    """Whether no other socket listens at the address."""
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, kind) as sock:
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closing connections do not count
        try:
            sock.bind(address)
        except OSError:
            return False
    return True
