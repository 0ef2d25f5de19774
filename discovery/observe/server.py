"""A small HTTP/1 server for read-only pages and streams: GET and HEAD, one request per connection, everything bounded.

It refuses every other method, bodies, and heads that RFC 9112 does not allow; it never looks beyond the first request.
"""

import logging
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl

import anyio

from discovery.log import log_event
from discovery.observe.listening import listening, listening_unix
from discovery.observe.streams import SLOW_S, STREAMS_MOST, Stream, stream_head, streamed

CONNECTIONS_MOST = 16  # at once: Prometheus, perhaps two of it, and an operator
HEAD_LIMIT_BYTES = 8 * 1024  # as nginx
HEAD_LIMIT_S = 5.0
LIMIT_S = 30.0  # of a connection: a page of 10,000 services takes a few seconds
LINGER_S = 1.0  # for the client to close first: closing with unread input would reset the response
RETRY_S = 1.0
READ_BYTES = 4096
TEXT = "text/plain; charset=utf-8"
_REQUEST = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (/[!-~]*) HTTP/1\.([01])\r\n((?:[!-9;-~]+:[^\r\n\x00]*\r\n)*)\r\n"
)
_NAME = re.compile(rb"^([^:\r\n]+):[ \t]*([^\r\n]*?)[ \t]*\r\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Page:
    """A response."""

    status: int
    body: bytes
    content_type: str = TEXT
    lines: str = ""
    """Further field lines."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says beside its path."""

    query: Mapping[str, str] = field(default_factory=dict)
    """The last value of each name."""
    accept: str = ""
    path: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    """The header fields by name in lower case, the values of one name joined by commas."""


Answer = Callable[[Asked], Awaitable[Page | Stream]]
Pages = Mapping[bytes, Answer]


def _allowed(_asked: Asked) -> Page | None:
    return None


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for all requests at one listener."""

    refusal: Callable[[Asked], Page | None] = _allowed
    """The response to a request that may not be answered; None if it may."""
    lines: str = ""
    """Field lines of every response."""
    connections_most: int = CONNECTIONS_MOST
    streams_most: int = STREAMS_MOST
    slow_s: float = SLOW_S
    """In which the reader of a stream takes what is sent to it."""


class Bounds:
    """What the clients of one listener have at once."""

    def __init__(self, rules: Rules) -> None:
        self.connections = anyio.CapacityLimiter(rules.connections_most)
        self.streams = anyio.CapacityLimiter(rules.streams_most)


async def serve_pages(address: tuple[str, int] | Path, pages: Pages, rules: Rules | None = None) -> None:
    """Serves `pages`, by path, at `address` until cancelled. While it cannot listen there, it tries again.

    `address` is host and port, or the path of a Unix socket.
    """
    failed = False
    while True:
        try:
            listener = listening_unix(address) if isinstance(address, Path) else listening(address)
        except OSError as error:
            if not failed:
                log_event("cannot serve pages; retrying", logging.ERROR, address=address, reason=error.strerror)
            failed = True
            await anyio.sleep(RETRY_S)
            continue
        with listener:
            await serve_at(listener, pages, rules)


async def serve_at(listener: socket.socket, pages: Pages, rules: Rules | None = None) -> None:
    """Serves `pages` to the clients of `listener` until cancelled."""
    rules = rules or Rules()
    bounds = Bounds(rules)
    async with anyio.create_task_group() as group:
        while True:
            await anyio.wait_readable(listener)
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                continue
            except OSError:  # no descriptor: the next attempt needs a pause
                await anyio.sleep(RETRY_S)
                continue
            sock.setblocking(False)
            try:
                bounds.connections.acquire_on_behalf_of_nowait(sock)
            except anyio.WouldBlock:
                sock.close()
                continue
            group.start_soon(_attend, sock, pages, rules, bounds)


async def _attend(sock: socket.socket, pages: Pages, rules: Rules, bounds: Bounds) -> None:
    try:
        with sock, suppress(OSError):
            stream = await _answered(sock, pages, rules)
            if stream is not None:
                await _stream(sock, stream, rules, bounds.streams)
    finally:
        bounds.connections.release_on_behalf_of(sock)


async def _answered(sock: socket.socket, pages: Pages, rules: Rules) -> Stream | None:
    """Answers a request with its page, or returns the stream that it asks for."""
    with anyio.move_on_after(LIMIT_S):
        head = await _head(sock)
        page = await _page(head, pages, rules) if head else Page(408, b"the request did not arrive in time\n")
        if isinstance(page, Page):
            await _send_page(sock, page, rules, with_body=not head.startswith(b"HEAD "))
        elif not head.startswith(b"GET ") or not head.partition(b"\r\n")[0].endswith(b"HTTP/1.1"):
            await _send_page(sock, Page(400, b"a stream is for GET of HTTP/1.1\n"), rules, with_body=True)
        else:
            return page
    return None


async def _page(head: bytes, pages: Pages, rules: Rules) -> Page | Stream:
    try:
        return await answer(head, pages, rules)
    except Exception as error:  # a bug ends one response, and not the process, which publishes tables
        log_event(
            "a page failed", logging.ERROR, request=head.partition(b"\r\n")[0].decode("latin-1"), reason=repr(error)
        )
        return Page(500, b"the page failed; the log of discovery has the reason\n")


async def _send_page(sock: socket.socket, page: Page, rules: Rules, *, with_body: bool) -> None:
    await _send(sock, rendered(page, rules, with_body=with_body))
    sock.shutdown(socket.SHUT_WR)
    with anyio.move_on_after(LINGER_S):
        while await _received(sock):
            pass


async def _stream(sock: socket.socket, stream: Stream, rules: Rules, room: anyio.CapacityLimiter) -> None:
    try:
        room.acquire_on_behalf_of_nowait(sock)
    except anyio.WouldBlock:
        text = f"{rules.streams_most} streams are open, which is the most; end one of them\n"
        with anyio.move_on_after(LIMIT_S):
            await _send_page(sock, Page(503, text.encode()), rules, with_body=True)
        return
    try:
        await _send(sock, stream_head(stream, rules.lines + stream.lines))
        await streamed(sock, stream, partial(_send, sock), rules.slow_s)
    finally:
        room.release_on_behalf_of(sock)


async def _head(sock: socket.socket) -> bytes:
    """The bytes up to the end of a request's head or beyond the limit; b"" if they did not arrive in time."""
    head = bytearray()
    with anyio.move_on_after(HEAD_LIMIT_S):
        while b"\r\n\r\n" not in head and len(head) <= HEAD_LIMIT_BYTES:
            data = await _received(sock)
            if not data:
                raise ConnectionResetError
            head += data
        return bytes(head)
    return b""


async def answer(head: bytes, pages: Pages, rules: Rules | None = None) -> Page | Stream:
    """The response to the request that begins with `head`, complete or longer than the limit."""
    if b"\r\n\r\n" not in head[:HEAD_LIMIT_BYTES]:
        return Page(431, b"the head of the request is too long\n")
    found = _REQUEST.match(head)
    if found is None:
        return Page(400, b"not an HTTP/1 request\n")
    method, target, minor, lines = found.groups()
    fields = [(name.lower(), value) for name, value in _NAME.findall(lines)]
    names = [name for name, _ in fields]
    if names.count(b"host") != 1 and (minor == b"1" or b"host" in names):  # RFC 9112, 3.2
        return Page(400, b"a request needs one field Host\n")
    if method not in (b"GET", b"HEAD"):
        return Page(405, b"GET only\n", lines="Allow: GET, HEAD\r\n")
    if b"transfer-encoding" in names or any(value != b"0" for name, value in fields if name == b"content-length"):
        return Page(400, b"a request for a page has no body\n")
    asked = _asked(target, fields)
    refused = (rules or Rules()).refusal(asked)
    if refused is not None:
        return refused
    page = pages.get(asked.path.encode())
    if page is None:
        return Page(404, b"pages are " + b", ".join(pages) + b"\n")
    return await page(asked)


def _asked(target: bytes, fields: list[tuple[bytes, bytes]]) -> Asked:
    path, _, query = target.decode().partition("?")
    texts: dict[str, str] = {}
    for name, value in fields:
        before, text = texts.get(name.decode()), value.decode("ascii", "replace")
        texts[name.decode()] = text if before is None else f"{before},{text}"  # RFC 9110, 5.3
    return Asked(dict(parse_qsl(query, keep_blank_values=True)), texts.get("accept", ""), path, texts)


def rendered(page: Page, rules: Rules | None = None, *, with_body: bool) -> bytes:
    """`page` as bytes, without its body for HEAD."""
    lines = page.lines if rules is None else rules.lines + page.lines
    if page.status != HTTPStatus.NOT_MODIFIED:  # RFC 9110, 8.6: the length would be that of the page
        lines = f"Content-Type: {page.content_type}\r\nContent-Length: {len(page.body)}\r\n{lines}"
    status = f"{page.status} {HTTPStatus(page.status).phrase}"
    head = f"HTTP/1.1 {status}\r\nDate: {formatdate(usegmt=True)}\r\nConnection: close\r\n{lines}\r\n"
    return head.encode() + (page.body if with_body else b"")


async def _received(sock: socket.socket) -> bytes:
    while True:
        await anyio.wait_readable(sock)
        with suppress(BlockingIOError):
            return sock.recv(READ_BYTES)


async def _send(sock: socket.socket, text: bytes) -> None:
    rest = memoryview(text)
    while rest:
        try:
            rest = rest[sock.send(rest) :]
        except BlockingIOError:
            await anyio.wait_writable(sock)
