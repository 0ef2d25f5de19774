"""Heads that arrive in pieces: a beginning is never taken for the whole, and what is refused stays refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nodeproxy.errors import BadRequest, BadResponse, ProxyError
from nodeproxy.protocol.http1 import request_head, response_head, scan
from nodeproxy.protocol.http1.grammar import BEGINNING
from nodeproxy.protocol.http1.head import HeadLimits
from tests.fakes.heads import flat

LIMITS = HeadLimits(head_bytes=400, fields=6, line_bytes=60)
HOST = b"Host: web.shop.mesh\r\n"
REQUESTS = (
    b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"POST /p?q HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nConnection: close, x-a\r\nX-A:\t1 \r\nB:\xff\r\n\r\n",
    b"PUT http://a.mesh/p HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
    b"OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET /" + b"a" * (60 - 16) + b" HTTP/1.1\r\n" + HOST + b"A: 1\r\n" * 5 + b"\r\n",
)
RESPONSES = (
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 404\r\nContent-Length: 0\r\nServer: x\r\n\r\n",
    b"HTTP/1.0 301 Moved \xe4\r\nConnection: keep-alive\r\nLocation: /\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: " + b"x" * (400 - 24) + b"\r\n\r\n",
)
PARTS = (
    b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n", HOST, b"A: 1\r\n", b"Content-Length: 1\r\n", b"\r\n", b"\r", b"\n",
    b" ", b"\0", b"\x7f", b"\xff", b"a", b"a" * 70, b"Transfer-Encoding: chunked\r\n", b"Connection: a\r\n",
)  # fmt: skip


def outcome(scan_one, data):
    try:
        return scan_one(data, LIMITS)
    except ProxyError as error:
        return type(error)


@pytest.mark.parametrize("received", REQUESTS)
def test_every_beginning_of_a_request_asks_for_more(heads, received):
    whole = heads.scan_request(received, LIMITS)

    assert [heads.scan_request(received[:size], LIMITS) for size in range(len(received))] == [None] * len(received)
    assert heads.scan_request(received + b"\r\n\0GET", LIMITS) == whole
    assert whole.end == len(received)


@pytest.mark.parametrize("received", RESPONSES)
def test_every_beginning_of_a_response_asks_for_more(heads, received):
    whole = heads.scan_response(received, LIMITS)

    assert [heads.scan_response(received[:size], LIMITS) for size in range(len(received))] == [None] * len(received)
    assert heads.scan_response(received + b"\r\n\0HTTP", LIMITS) == whole
    assert whole.end == len(received)


@pytest.mark.parametrize(
    "wrong", [b"\n", b"\r\r", b"\rA", b"\0", b"\x08", b"\x0b", b"\x0c", b"\x0e", b"\x1b", b"\x1f", b"\x7f", b"\r\n\n"]
)
def test_a_wrong_byte_is_refused_where_it_stands(heads, wrong):
    for begun in (b"", b"GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a", b"GET / HTTP/1.1\r\nHost: a\r\nB"):
        with pytest.raises(BadRequest):
            heads.scan_request(begun + wrong, LIMITS)
    for begun in (b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nServer: a"):
        with pytest.raises(BadResponse):
            heads.scan_response(begun + wrong, LIMITS)


@given(st.lists(st.sampled_from(PARTS), max_size=10).map(b"".join))
@example(b"HTTP/1.1 200 OK\r\n\r\nGET / HTTP/1.1\r\n")
def test_what_was_refused_or_understood_is_the_same_whatever_follows(data):
    python, compiled = (
        flat(request_head.scan_request, response_head.scan_response),
        flat(scan.scan_request, scan.scan_response),
    )
    for scan_one in (python.scan_request, python.scan_response, compiled.scan_request, compiled.scan_response):
        seen = [outcome(scan_one, data[:size]) for size in range(len(data) + 1)]

        settled = [result for result in seen if result is not None]
        assert seen == [None] * (len(seen) - len(settled)) + settled
        kinds = {result if isinstance(result, tuple) else issubclass(result, ProxyError) for result in settled}
        assert len(kinds) <= 1


@given(st.lists(st.sampled_from((b"\r", b"\n", b"\0", b"\t", b"a", b"\xff", b"\x7f", b" ")), max_size=12).map(b"".join))
def test_a_beginning_has_whole_line_ends_and_no_control_bytes(data):
    ended = data.removesuffix(b"\r").replace(b"\r\n", b"")

    assert (BEGINNING.fullmatch(data) is not None) == (not set(ended) & {*b"\r\n\0\x7f"})
