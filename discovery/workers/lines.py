"""The lines on the socket of one worker, sent and read.

Both wait by `anyio.wait_*`, because a receive of anyio's own stream that is cancelled just when bytes come leaves an
InvalidStateError in the event loop (4.16): it happens whenever workers and discovery end together.
"""

from collections.abc import Callable
from contextlib import suppress
from socket import socket as Socket

import anyio
import msgspec
from anyio.lowlevel import checkpoint

from nodeproxy.mesh.reports import REPORT_LIMIT_BYTES
from nodeproxy.mesh.wire import Upward, parse_upward

READ_BYTES = 64 * 1024  # at once from a worker


async def send(own: Socket, text: bytes) -> None:
    """Sends all of `text`, as fast as the worker reads.

    Raises:
        OSError: the worker has closed the connection.
    """
    await checkpoint()
    rest = memoryview(text)
    while rest:
        try:
            rest = rest[own.send(rest) :]
        except BlockingIOError:
            await anyio.wait_writable(own)


async def read(own: Socket, note: Callable[[Upward], None], scope: anyio.CancelScope) -> None:
    """Applies what a worker sends; cancels `scope` at the end of its stream or at an invalid line."""
    held = bytearray()
    with suppress(OSError, msgspec.DecodeError):
        while len(held) <= REPORT_LIMIT_BYTES:
            await anyio.wait_readable(own)
            with suppress(BlockingIOError):
                data = own.recv(READ_BYTES)
                if not data:
                    break
                held += data
                if b"\n" in data:
                    *lines, held = held.split(b"\n")
                    for text in lines:
                        note(parse_upward(text))
    scope.cancel()
