"""Responses whose lines come over time, in chunks; see `server`. A slow reader is ended, one that leaves is noticed."""

import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate

import anyio

from discovery.log import log_event

STREAMS_MOST = 8  # at once, of the connections of a listener: pages are answered beside them
SLOW_S = 10.0  # in which a reader takes what is sent to it; sockets hold 200 KiB beside that
LIMIT_S = 15 * 60.0  # of any stream; a tap ends earlier by itself
READ_BYTES = 4096
LAST_CHUNK = b"0\r\n\r\n"

Send = Callable[[bytes], Awaitable[None]]
"""Sends whole lines. Raises OSError if the reader has gone or is slow."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A response of lines. `run` sends them, and is cancelled when the reader leaves."""

    run: Callable[[Send], Awaitable[None]]
    content_type: str = "application/x-ndjson"
    lines: str = ""
    """Further field lines."""


def stream_head(stream: Stream, lines: str = "") -> bytes:
    """The head of the response, with these further field lines."""
    return (
        f"HTTP/1.1 200 OK\r\nDate: {formatdate(usegmt=True)}\r\nContent-Type: {stream.content_type}\r\n"
        f"Transfer-Encoding: chunked\r\nConnection: close\r\n{lines}\r\n"
    ).encode()


async def streamed(sock: socket.socket, stream: Stream, send: Send, slow_s: float = SLOW_S) -> None:
    """Runs `stream` until it ends, its reader leaves, or its reader takes nothing for `slow_s` seconds.

    A stream that ended by itself has its last chunk; one without it was cut off. `send` sends bytes as they are.
    """

    async def send_chunk(lines: bytes) -> None:
        if lines:
            await _send_in_time(send, b"%x\r\n%b\r\n" % (len(lines), lines), slow_s)

    async with anyio.create_task_group() as group:
        group.start_soon(_until_gone, sock, group.cancel_scope)
        with suppress(OSError), anyio.move_on_after(LIMIT_S):
            await _run(stream, send_chunk)
            await _send_in_time(send, LAST_CHUNK, slow_s)
        group.cancel_scope.cancel()


async def _run(stream: Stream, send: Send) -> None:
    try:
        await stream.run(send)
    except OSError:
        raise
    except Exception as error:  # a bug ends one response, and not the process, which publishes tables
        log_event("a stream failed", logging.ERROR, content_type=stream.content_type, reason=repr(error))
        raise ConnectionAbortedError("the stream failed") from error


async def _send_in_time(send: Send, data: bytes, slow_s: float) -> None:
    with anyio.move_on_after(slow_s) as scope:
        await send(data)
    if scope.cancelled_caught:
        raise TimeoutError("the reader of a stream is slow")  # an OSError: the connection ends


async def _until_gone(sock: socket.socket, scope: anyio.CancelScope) -> None:
    """Cancels `scope` when the reader has closed its connection."""
    with suppress(OSError):
        while True:
            await anyio.wait_readable(sock)
            with suppress(BlockingIOError):
                if not sock.recv(READ_BYTES):
                    break
    scope.cancel()
