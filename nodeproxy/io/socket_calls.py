"""Receives from and sends to non-blocking sockets by their descriptors; see `calls` for which implementation runs."""

import os

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
