"""The listening sockets of the control process: at an address of this host, or at a path for its own user alone."""

import os
import socket
from pathlib import Path

BACKLOG = 16  # the kernel keeps so many clients until they are accepted
SOCKET_MODE = 0o600


def listening(address: tuple[str, int]) -> socket.socket:
    """A socket that listens at `address`, which the proxy of the other side of an update may listen at too.

    Raises:
        OSError: the address is in use or not of this host, or its port requires a privilege.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def listening_unix(path: Path) -> socket.socket:
    """A Unix socket that only this user can connect to; replaces one left at `path`.

    Raises:
        OSError: it cannot be created.
    """
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.setblocking(False)
        if path.is_socket():
            path.unlink()
        os.fchmod(sock.fileno(), SOCKET_MODE)  # before it is bound: the file never has other permissions
        sock.bind(str(path))
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock
