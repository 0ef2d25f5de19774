"""The sockets of one worker. Its supervisor holds them: once a worker listens, they outlive it.

Until then clients of the address go to whoever listens there, as the proxy that this one is to take over from.
"""

import socket
from contextlib import ExitStack
from dataclasses import dataclass

from nodeproxy.net.kept import Kept
from nodeproxy.net.listener import bound
from nodeproxy.setting_text import split_address
from nodeproxy.settings import Settings


class CannotListen(Exception):
    """An address that the node is called at cannot be had."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """Where a worker is called: by clients of the mesh, and by those who look after it."""

    main: socket.socket
    admin: socket.socket
    kept: Kept
    """What the worker opens by itself."""

    def close(self) -> None:
        """Close this process' copies. Clients go elsewhere when no process has one open."""
        self.main.close()
        self.admin.close()
        self.kept.close()


def opened(settings: Settings, index: int) -> Sockets:
    """The sockets of worker `index`; workers share the main address, and each has an admin port of its own.

    Raises:
        CannotListen: an address is taken, not of this host, or its port needs a privilege.
    """
    host, port = split_address(settings.admin)
    with ExitStack() as stack:
        main = stack.enter_context(_bound(split_address(settings.listen), "listen"))
        admin = stack.enter_context(_bound((host, port + index if port else 0), "admin"))
        if settings.dns:
            _bound(split_address(settings.dns), "dns").close()  # a datagram goes to who is bound: not yet to us
        stack.pop_all()  # all are open: they stay so
        return Sockets(main, admin, Kept())


def _bound(address: tuple[str, int], setting: str) -> socket.socket:
    try:
        return bound(address)
    except OSError as error:
        raise CannotListen(
            f"cannot listen at {address[0]}:{address[1]}: {error.strerror}; change `{setting}`"
        ) from error
