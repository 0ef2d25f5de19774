"""The HTTP server of the control process, over real sockets: it answers GET, and bounds everything else."""

import socket
from contextlib import asynccontextmanager, contextmanager

import anyio
import anyio.lowlevel
import pytest

from discovery.observe import server
from discovery.observe.listening import listening
from discovery.observe.pages import MetricsPage
from discovery.observe.server import CONNECTIONS_MOST, HEAD_LIMIT_BYTES, Asked, Page, serve_at, serve_pages
from discovery.workers.publish import Publisher
from discovery.workers.reports import Reports
from nodeproxy.mesh.reports import Introduction
from tests.fakes.reports import port, process

pytestmark = pytest.mark.anyio
DEADLINE_S = 60  # only ever used up by a test that fails
GET = b"GET /metrics HTTP/1.1\r\nHost: node:9076\r\n\r\n"


async def page(_asked):
    return Page(200, b"numbers\n", "text/numbers")


async def large(_asked):
    return Page(200, b"x" * 8_000_000)


PAGES = {b"/metrics": page, b"/large": large}


@asynccontextmanager
async def serving(pages=PAGES):
    with anyio.fail_after(DEADLINE_S), listening(("127.0.0.1", 0)) as listener:
        async with anyio.create_task_group() as group:
            group.start_soon(serve_at, listener, pages)
            yield listener.getsockname()
            group.cancel_scope.cancel()


@contextmanager
def connected(address):
    with socket.create_connection(address) as sock:
        sock.setblocking(False)
        yield sock


async def received(sock):
    """Everything up to the end of the connection."""
    data = b""
    while True:
        await anyio.wait_readable(sock)
        try:
            more = sock.recv(1 << 20)
        except ConnectionResetError:
            return data
        if not more:
            return data
        data += more


async def asked(request, pages=PAGES):
    async with serving(pages) as address:
        with connected(address) as sock:
            sock.send(request)
            return await received(sock)


async def test_a_page_is_answered_and_the_connection_closed():
    head, _, body = (await asked(GET)).partition(b"\r\n\r\n")

    first, *lines = head.split(b"\r\n")
    assert first == b"HTTP/1.1 200 OK"
    assert {b"Content-Type: text/numbers", b"Content-Length: 8", b"Connection: close"} < set(lines)
    assert body == b"numbers\n"


async def test_a_head_has_no_body():
    answer = await asked(GET.replace(b"GET", b"HEAD"))

    assert b"Content-Length: 8\r\n" in answer and answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", 200),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"GET /metrics/ HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", 405),
        (b"DELETE /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        (b"GET  /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://node/metrics HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /metrics HTTP/2.0\r\nHost: a\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\x00\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * HEAD_LIMIT_BYTES + b"\r\n\r\n", 431),
        (b"x" * 3 * HEAD_LIMIT_BYTES, 431),
    ],
)
async def test_what_is_no_request_for_a_page_is_refused(request_bytes, status):
    assert (await asked(request_bytes)).startswith(b"HTTP/1.1 %d " % status)


async def test_a_page_is_told_the_query_and_what_the_client_accepts():
    async def told(asked):
        return Page(200, f"{sorted(asked.query.items())} {asked.accept}".encode())

    request = (
        b"GET /p?service=shop%2Fweb&port=80&port=81&x HTTP/1.1\r\nHost: a\r\nAccept: a/b\r\nAccept: c/d;q=0.1\r\n\r\n"
    )
    answer = await asked(request, {b"/p": told})

    assert answer.endswith(b"[('port', '81'), ('service', 'shop/web'), ('x', '')] a/b,c/d;q=0.1")


async def test_a_second_request_on_a_connection_is_not_answered():
    assert (await asked(GET + GET)).count(b"HTTP/1.1") == 1


async def test_a_request_may_come_in_pieces():
    async with serving() as address:
        with connected(address) as sock:
            for start in range(0, len(GET), 9):
                sock.send(GET[start : start + 9])
                await anyio.lowlevel.checkpoint()
            assert (await received(sock)).endswith(b"numbers\n")


async def test_a_large_page_is_sent_as_fast_as_it_is_read():
    answer = await asked(b"GET /large HTTP/1.0\r\n\r\n")

    assert len(answer.partition(b"\r\n\r\n")[2]) == 8_000_000


async def test_a_request_that_does_not_come_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(server, "HEAD_LIMIT_S", 0)

    assert (await asked(GET[:-2])).startswith(b"HTTP/1.1 408 ")


async def test_more_connections_than_allowed_are_closed_at_once_and_their_places_given_on():
    async with serving() as address:
        held = [socket.create_connection(address) for _ in range(CONNECTIONS_MOST)]
        with connected(address) as beyond:
            assert await received(beyond) == b""
        for sock in held:
            sock.close()
        answer = b""
        while not answer:
            with connected(address) as sock:
                sock.send(GET)
                answer = await received(sock)

    assert answer.endswith(b"numbers\n")


async def test_an_address_that_is_taken_is_tried_again(monkeypatch):
    monkeypatch.setattr(server, "RETRY_S", 0.001)
    with anyio.fail_after(DEADLINE_S), socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        async with anyio.create_task_group() as group:
            group.start_soon(serve_pages, address, PAGES)
            await anyio.lowlevel.checkpoint()
            taken.close()
            answer = b""
            while not answer:
                await anyio.lowlevel.checkpoint()
                try:
                    with connected(address) as sock:
                        sock.send(GET)
                        answer = await received(sock)
                except ConnectionRefusedError:
                    pass
            group.cancel_scope.cancel()

    assert answer.endswith(b"numbers\n")


async def test_the_metrics_are_there_when_every_worker_has_reported():
    reports = Reports(now=lambda: 0.0)
    metrics = MetricsPage(Publisher(reports=reports))

    before = await metrics(Asked())
    for message in (Introduction(0, 7), port(requests=3), process()):
        reports.note("worker", message)
    after = await metrics(Asked())

    openmetrics = await metrics(Asked(accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5"))

    assert (before.status, after.status) == (503, 200)
    assert openmetrics.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert openmetrics.body.endswith(b"# EOF\n") and b"# EOF" not in after.body
    assert b'nodeproxy_request_duration_seconds_count{namespace="shop",port="80",service="web"} 3.0\n' in after.body


async def test_a_page_that_fails_is_an_answer_and_the_server_goes_on():
    async def fails(_asked):
        raise ValueError("Exceeds the limit (4300 digits) for integer string conversion")

    async with serving({b"/fails": fails, **PAGES}) as address:
        with connected(address) as sock:
            await anyio.lowlevel.checkpoint()
            sock.send(GET.replace(b"/metrics", b"/fails"))
            failed = await received(sock)
        with connected(address) as sock:
            sock.send(GET)
            after = await received(sock)

    assert failed.startswith(b"HTTP/1.1 500 ") and after.endswith(b"numbers\n")
