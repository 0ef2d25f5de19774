"""System calls of non-blocking sockets by their descriptors; see `calls` for which implementation runs."""

import os
import socket

RECEIVE_BYTES = 64 * 1024  # one read: the largest head, and large enough for bodies (the kernel copies 10 GB/s)


def receive(descriptor: int) -> bytes | None:
    """Up to RECEIVE_BYTES that have come; b"" at the end of the peer's side, None where nothing has come.

    Raises:
        OSError: the connection is broken.
    """
    try:
        return os.read(descriptor, RECEIVE_BYTES)
    except BlockingIOError:
        return None


def send(descriptor: int, data: bytes | memoryview) -> int:
    """Sends what the socket takes of `data`; returns how many bytes that were, 0 where it takes none now.

    Raises:
        OSError: the connection is broken.
    """
    try:
        return os.write(descriptor, data)
    except BlockingIOError:
        return 0


def accept(listener: socket.socket) -> tuple[int, str] | None:
    """The descriptor of the connection that has waited longest, non-blocking, and its client's address.

    None where no client waits, or the one that did has gone.

    Raises:
        OSError: there is no descriptor or no memory for it, or `listener` is closed.
    """
    try:
        descriptor, client = listener._accept()  # type: ignore[attr-defined]  # `accept` makes a socket too, in 3 us
    except (BlockingIOError, ConnectionAbortedError):
        return None
    os.set_blocking(descriptor, False)
    return descriptor, client[0]
