"""What a client speaks, by its first bytes.

Whatever bytes come, in whatever pieces, the answer is the same and final, it comes within DECIDED_BYTES, and no request
line that any lenient server would take is bytes.
"""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nodeproxy.protocol.first_bytes import DECIDED_BYTES, HTTP2_LINE, Detected, detected
from tests.fakes.hellos import real

HTTP1, HTTP2, BYTES = Detected.HTTP1, Detected.HTTP2, Detected.BYTES


@pytest.mark.parametrize(
    "received",
    [
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nHost: web\r\n\r\n",
        b"OPTIONS * HTTP/1.0\r\n",
        b"GET http://web.shop.mesh/ HTTP/1.1\r\n",
        b"CONNECT web.shop.mesh:80 HTTP/1.1\r\n",
        b"get / http/1.1\r\n",
        b"GET / HTTP/1.1\n",
        b"\r\nGET / HTTP/1.1\r\n",
        b"\n\r\n\r \tGET / HTTP/1.1\r\n",
        b"\r\n" * 1000 + b"GET / HTTP/1.1\r\n",
        b"GET\t/\tHTTP/1.1\r\n",
        b"GET\xa0/\xa0HTTP/1.1\r\n",
        b"GET\r/\rHTTP/1.1\n",
        b"GET /a b HTTP/1.1 \r\n",
        b"GET /\xff\x00 HTTP/1.1\r\n",
        b"GET / HTTP/9.9\r\n",
        b"GET / HTTP/2.0\r\n",
        b"PRI * HTTP/2.0\n",
        b"\r\nPRI * HTTP/2.0\r\n",
        b"X-ANY! / HTTP/1.1\r\n",
        b"GET /" + b"a" * DECIDED_BYTES,
        b"\n" * DECIDED_BYTES,
        b"A" * DECIDED_BYTES,
    ],
)
def test_what_a_server_could_take_as_a_request_is_http(received):
    assert detected(received) is HTTP1


def test_the_preface_of_http_2_is_http_2():
    assert detected(HTTP2_LINE) is HTTP2
    assert detected(HTTP2_LINE + b"\r\nSM\r\n\r\n\0\0\0") is HTTP2


@pytest.mark.parametrize(
    "received",
    [
        real("db.shop.mesh"),
        b"\x16",
        bytes.fromhex("0000000804d2162f"),  # PostgreSQL: SSLRequest
        b"PING\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"get x\r\n",
        b"\x80\x0b\0\0",  # memcached, binary
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"EHLO client.example\r\n",
        b"AMQP\0\0\x09\x01",
        b"NICK someone\n",
        b"GET /\r\n",
        b"GET http://web/HTTP/1.1\r\n",
        b"<stream:stream ",
        b"{",
        b"HTTP/1.1 200 OK\r\n",
        b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\n",
        b"GET /\r\nHost: x HTTP/1.1\r\n",
        b"\r\n\x16\x03\x01",
        b"\x16GET / HTTP/1.1\r\n",
    ],
)
def test_anything_else_is_bytes(received):
    assert detected(received) is BYTES


@pytest.mark.parametrize(
    "received", [b"", b"G", b"PRI * HTTP/2.0\r", b"GET", b"GET ", b"GET / HTTP/", b"\r\n\r\n", b"get x", b"hello"]
)
def test_the_beginning_of_a_line_is_not_decided(received):
    assert detected(received) is None


WORDS = st.sampled_from(
    [
        b"GET",
        b"get",
        b"/",
        b" ",
        b"\t",
        b"\r",
        b"\n",
        b"\r\n",
        b"HTTP/1.1",
        b"http/1.0",
        b"HTTP/",
        b"PRI * HTTP/2.0",
        b"\xa0",
        b"\0",
    ]
)
FIRST = st.one_of(st.lists(st.one_of(WORDS, st.binary(max_size=6)), max_size=12).map(b"".join), st.binary(max_size=60))


@given(received=FIRST)
@example(received=b"PRI * HTTP/2.0\r\n")
@example(received=b"PRI * HTTP/2.0\rX")
def test_the_answer_is_final_and_comes_in_time(received):
    answers = [detected(received[:size]) for size in range(len(received) + 1)]
    decided = [answer for answer in answers if answer is not None]

    assert answers[: len(answers) - len(decided)] == [None] * (len(answers) - len(decided))
    assert len(set(decided)) <= 1
    assert detected(received + b"A" * DECIDED_BYTES) is not None


@given(received=FIRST)
def test_no_request_line_of_a_lenient_server_is_bytes(received):
    if lenient(received):
        assert detected(received) is not BYTES


def lenient(received):
    """Whether the first line that is not empty is a request line to Python's http.server, which splits at any blank."""
    for line in received.decode("latin-1").split("\n"):
        words = line.split()
        if words:
            method = re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", words[0])
            return (
                len(words) >= 3 and method is not None and re.match("HTTP/[0-9]", words[-1], re.IGNORECASE) is not None
            )
    return False
