"""The sockets of one worker. Its supervisor holds them: once a worker listens, they outlive it.

Until then clients of the address go to whoever listens there, as the proxy that this one is to take over from.
"""

import errno
import socket
from contextlib import ExitStack
from dataclasses import dataclass

from nodeproxy.downstream.listener import bound, bound_datagrams
from nodeproxy.io.capacity import SUPERVISOR_RESERVE, open_files
from nodeproxy.io.handover import HeldSockets
from nodeproxy.setting_text import split_address
from nodeproxy.settings import Settings

_CURES = {
    errno.EACCES: " (a port below 1024 needs CAP_NET_BIND_SERVICE)",
    errno.EADDRNOTAVAIL: " (`nodeproxy net up` adds the mesh's own to a node)",
}


class CannotListen(Exception):
    """An address that the node is called at cannot be had."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """Where a worker is called: by clients of the mesh, and by those who look after it."""

    main: socket.socket
    admin: socket.socket
    held: HeldSockets
    """What the worker opens by itself."""

    def close(self) -> None:
        """Close this process' copies. Clients go elsewhere when no process has one open."""
        self.main.close()
        self.admin.close()
        self.held.close()


def opened(settings: Settings, index: int) -> Sockets:
    """The sockets of worker `index`; workers share the main address, and each has an admin port of its own.

    Raises:
        CannotListen: an address is taken, not of this host, or its port needs a privilege.
        OSError: there are no descriptors left.
    """
    host, port = split_address(settings.admin)
    with ExitStack() as stack:
        main = stack.enter_context(_bound(split_address(settings.listen), "listen"))
        admin = stack.enter_context(_bound((host, port + index if port else 0), "admin"))
        if settings.dns:
            _look_at_dns(split_address(settings.dns))
        stack.pop_all()  # all are open: they stay so
        return Sockets(main, admin, HeldSockets(open_files() - SUPERVISOR_RESERVE))


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
    """Whether DNS can be served there; a worker opens these sockets itself.

    A datagram goes to whoever is bound, so we are not, not even for a moment, where the proxy that we take over from
    may be: it has the stream beside it. Who has the datagrams alone is somebody else.
    """
    _bound(address, "dns").close()
    if _is_alone(address, socket.SOCK_STREAM) and not _is_alone(address, socket.SOCK_DGRAM):
        try:
            bound_datagrams(address).close()
        except OSError as error:
            raise _cannot_listen(address, "dns", error) from error


def _is_alone(address: tuple[str, int], kind: socket.SocketKind) -> bool:
    """Whether nobody else listens there."""
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, kind) as sock:
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that end are nobody
        try:
            sock.bind(address)
        except OSError:
            return False
    return True
