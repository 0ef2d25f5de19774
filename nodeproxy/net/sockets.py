"""The listening sockets of one worker. Its supervisor opens and holds them, so that they outlive the worker."""

import socket
from dataclasses import dataclass

from nodeproxy.net.listener import bound
from nodeproxy.settings import Settings, split_address


class CannotListen(Exception):
    """An address that the node is called at cannot be had."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """Where a worker is called: by clients of the mesh, and by those who look after it."""

    main: socket.socket
    admin: socket.socket

    def close(self) -> None:
        """Close this process' copies. Clients go elsewhere when no process has one open."""
        self.main.close()
        self.admin.close()


def opened(settings: Settings, index: int) -> Sockets:
    """The sockets of worker `index`; workers share the main address, and each has an admin port of its own.

    Raises:
        CannotListen: an address is taken, not of this host, or its port needs a privilege.
    """
    host, port = split_address(settings.admin)
    main = _bound(split_address(settings.listen), "listen")
    try:
        return Sockets(main, _bound((host, port + index if port else 0), "admin"))
    except CannotListen:
        main.close()
        raise


def _bound(address: tuple[str, int], setting: str) -> socket.socket:
    try:
        return bound(address)
    except OSError as error:
        raise CannotListen(
            f"cannot listen at {address[0]}:{address[1]}: {error.strerror}; change `{setting}`"
        ) from error
