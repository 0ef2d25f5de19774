"""Streams of the control process, over real sockets: lines as they come, and every reader bounded."""

import socket

import anyio
import anyio.lowlevel
import pytest

from discovery.observe.server import Page
from discovery.observe.streams import LAST_CHUNK, STREAMS_MOST, Stream, streamed
from tests.discovery.test_pages import DEADLINE_S, connected, received, serving

pytestmark = pytest.mark.anyio
GET = b"GET /lines HTTP/1.1\r\nHost: node\r\n\r\n"


class Lines:
    """A page whose streams send what the test says, and note their end."""

    def __init__(self):
        self.senders = []
        self.ended = 0
        self.end = anyio.Event()

    async def __call__(self, _asked):
        return Stream(self._run)

    async def _run(self, send):
        self.senders.append(send)
        try:
            await self.end.wait()
        finally:
            self.ended += 1

    async def sender(self, number=0):
        while len(self.senders) <= number:
            await anyio.lowlevel.checkpoint()
        return self.senders[number]

    async def until_ended(self, count):
        while self.ended < count:
            await anyio.lowlevel.checkpoint()


async def asked(sock, request=GET):
    await anyio.wait_writable(sock)
    sock.send(request)


async def until(sock, mark):
    data = b""
    while mark not in data:
        await anyio.wait_readable(sock)
        data += sock.recv(1 << 16)
    return data


async def test_lines_come_as_chunks_when_they_are_sent_and_the_last_one_is_marked():
    lines = Lines()

    async with serving({b"/lines": lines}) as address:
        with connected(address) as sock:
            await asked(sock)
            send = await lines.sender()
            await send(b"one\n")
            first = await until(sock, b"one\n")
            await send(b"")
            await send(b"two\nthree\n")
            lines.end.set()
            rest = await received(sock)

    head, _, chunk = first.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and b"\r\nTransfer-Encoding: chunked" in head
    assert chunk.startswith(b"4\r\none\n") and rest.endswith(b"a\r\ntwo\nthree\n\r\n0\r\n\r\n")


async def test_a_stream_is_cancelled_when_its_reader_leaves():
    lines = Lines()

    async with serving({b"/lines": lines}) as address:
        with connected(address) as sock:
            await asked(sock)
            await lines.sender()
        await lines.until_ended(1)

    assert lines.ended == 1


async def test_a_stream_that_fails_is_cut_off_and_other_requests_are_answered(caplog):
    async def fails(_send):
        raise KeyError("a bug")

    async def failing(_asked):
        return Stream(fails)

    async def page(_asked):
        return Page(200, b"numbers\n")

    async with serving({b"/lines": failing, b"/page": page}) as address:
        with connected(address) as sock:
            await asked(sock)
            cut_off = await received(sock)
        with connected(address) as sock:
            await asked(sock, GET.replace(b"/lines", b"/page"))
            answered = await received(sock)

    assert cut_off.startswith(b"HTTP/1.1 200 ") and not cut_off.endswith(LAST_CHUNK)
    assert answered.endswith(b"numbers\n")
    assert [record.message for record in caplog.records] == ["a stream failed"]


async def test_a_reader_that_takes_nothing_is_ended_and_its_stream_with_it():
    lines, (own, other) = Lines(), socket.socketpair()
    own.setblocking(False)

    async def never(_data):
        await anyio.sleep_forever()

    async def run(send):
        lines.senders.append(send)
        try:
            await send(b"more than its socket holds\n")
        finally:
            lines.ended += 1

    with own, other, anyio.fail_after(DEADLINE_S):
        await streamed(own, Stream(run), never, slow_s=0.0)

    assert lines.ended == 1


async def test_a_stream_too_many_is_refused_and_pages_are_answered_beside_them():
    lines = Lines()

    async def page(_asked):
        return Page(200, b"numbers\n")

    async with serving({b"/lines": lines, b"/page": page}) as address:
        socks = [socket.create_connection(address) for _ in range(STREAMS_MOST)]
        for number, sock in enumerate(socks):
            sock.setblocking(False)
            await asked(sock)
            await lines.sender(number)
        with connected(address) as sock:
            await asked(sock)
            refused = await received(sock)
        with connected(address) as sock:
            await asked(sock, GET.replace(b"/lines", b"/page"))
            answered = await received(sock)
        for sock in socks:
            sock.close()
        await lines.until_ended(STREAMS_MOST)
        with connected(address) as sock:
            await asked(sock)
            await lines.sender(STREAMS_MOST)

    assert answered.endswith(b"numbers\n")
    assert refused.startswith(b"HTTP/1.1 503 ") and b"8 streams are open" in refused


@pytest.mark.parametrize("line", [b"HEAD /lines HTTP/1.1", b"GET /lines HTTP/1.0"])
async def test_only_a_get_of_http_1_1_has_a_stream(line):
    async with serving({b"/lines": Lines()}) as address:
        with connected(address) as sock:
            await asked(sock, line + b"\r\nHost: node\r\n\r\n")
            answer = await received(sock)

    assert answer.startswith(b"HTTP/1.1 400 ")
