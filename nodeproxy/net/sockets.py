"""The listening sockets of one worker. Its supervisor opens and holds them, so that they outlive the worker."""

import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from nodeproxy.net.listener import bound, bound_datagrams
from nodeproxy.settings import Settings, split_address


class CannotListen(Exception):
    """An address that the node is called at cannot be had."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """Where a worker is called: by clients of the mesh, and by those who look after it."""

    main: socket.socket
    admin: socket.socket
    dns: tuple[socket.socket, socket.socket] | None
    """For datagrams and for streams; None where this node answers no DNS."""

    def close(self) -> None:
        """Close this process' copies. Clients go elsewhere when no process has one open."""
        for sock in (self.main, self.admin, *(self.dns or ())):
            sock.close()


def opened(settings: Settings, index: int) -> Sockets:
    """The sockets of worker `index`; workers share the main address, and each has an admin port of its own.

    Raises:
        CannotListen: an address is taken, not of this host, or its port needs a privilege.
    """
    host, port = split_address(settings.admin)
    with ExitStack() as stack:
        main = stack.enter_context(_bound(split_address(settings.listen), "listen"))
        admin = stack.enter_context(_bound((host, port + index if port else 0), "admin"))
        dns = None
        if settings.dns:
            address = split_address(settings.dns)
            stream = stack.enter_context(_bound(address, "dns"))
            dns = stack.enter_context(_bound(stream.getsockname()[:2], "dns", bound_datagrams)), stream
        stack.pop_all()  # all are open: they stay so
        return Sockets(main, admin, dns)


def _bound(
    address: tuple[str, int], setting: str, bind: Callable[[tuple[str, int]], socket.socket] = bound
) -> socket.socket:
    try:
        return bind(address)
    except OSError as error:
        raise CannotListen(
            f"cannot listen at {address[0]}:{address[1]}: {error.strerror}; change `{setting}`"
        ) from error
