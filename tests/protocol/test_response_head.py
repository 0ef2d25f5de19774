"""Response heads: understood, or not trusted at all."""

import pytest

from nodeproxy.errors import BadResponse
from nodeproxy.protocol.http1.head import HeadLimits
from tests.fakes.heads import CHUNKED, UNTIL_CLOSE

LIMITS = HeadLimits()
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("received", "status", "length", "persistent", "head"),
    [
        (OK + b"Content-Length: 2\r\n\r\n", 200, 2, True, OK + b"Content-Length: 2\r\n"),
        (OK + b"transfer-encoding: chunked\r\nA: 1\r\n\r\n", 200, CHUNKED, True, OK + b"A: 1\r\n"),
        (OK + b"\r\n", 200, UNTIL_CLOSE, True, OK),
        (b"HTTP/1.1 404\r\n\r\n", 404, UNTIL_CLOSE, True, b"HTTP/1.1 404 \r\n"),
        (b"HTTP/1.1 404 \r\n\r\n", 404, UNTIL_CLOSE, True, b"HTTP/1.1 404 \r\n"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, 0, False, OK + b"Content-Length: 0\r\n"),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", 200, UNTIL_CLOSE, True, OK),
        (OK + b"Connection: close, X-Hop\r\nx-hop: 1\r\nKeep-Alive: 5\r\n\r\n", 200, UNTIL_CLOSE, False, OK),
        (b"HTTP/1.1 100 Continue\r\n\r\n", 100, UNTIL_CLOSE, True, b"HTTP/1.1 100 Continue\r\n"),
        (OK + b"Via: 1.1 a\r\nx-mesh-error: forged\r\nDate: d\r\n\r\n", 200, UNTIL_CLOSE, True,
         OK + b"Via: 1.1 a\r\nDate: d\r\n"),
    ],
)  # fmt: skip
def test_what_is_understood(heads, received, status, length, persistent, head):
    scanned = heads.scan_response(received + b"rest", LIMITS)

    assert (scanned.status, scanned.length, scanned.persistent) == (status, length, persistent)
    assert (scanned.head, scanned.end) == (head, len(received))


@pytest.mark.parametrize(
    ("received", "minor", "dated"),
    [
        (OK + b"\r\n", 1, False),
        (OK + b"dATE: d\r\n\r\n", 1, True),
        (OK + b"Date-Of-Birth: d\r\nX: Date: d\r\n\r\n", 1, False),
        (b"HTTP/1.0 200 OK\r\nDate:\r\n\r\n", 0, True),
    ],
)
def test_what_a_hop_has_to_know_of_it(heads, received, minor, dated):
    scanned = heads.scan_response(received, LIMITS)

    assert (scanned.minor, scanned.dated) == (minor, dated)


@pytest.mark.parametrize(
    "received",
    [
        b"HTTP/1.1 200 OK\nA: 1\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 1000 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        OK + b"A B : 1\r\n\r\n",
        OK + b" : 1\r\n\r\n",
        b"HTTQ",
        b"HTTP/2",
        OK + b"A: 1\r\n fold\r\n\r\n",
        OK + b"A: \0\r\n\r\n",
        OK + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        OK + b"Content-Length: 1, 1\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        OK + b"Transfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK + b"A: 1\r\n" * 101 + b"\r\n",
        OK + b"A: " + b"x" * 65536,
        b"\x15\x03\x01\x00\x02\x02",
        OK + b"A: 1\n",
    ],
)
def test_what_is_doubtful_is_refused(heads, received):
    with pytest.raises(BadResponse):
        heads.scan_response(received, LIMITS)


def test_no_proper_beginning_is_a_head(heads):
    received = OK + b"Content-Length: 2\r\nServer: x\r\n\r\n"

    assert [heads.scan_response(received[:size], LIMITS) for size in range(len(received))] == [None] * len(received)
