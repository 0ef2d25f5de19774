"""A message of HTTP/2 is one message in HTTP/1, and the same one: no part of it is a second message or field.

What is accepted is serialized for HTTP/1, read back by our own scanner, and compared. The same holds between two
connections of HTTP/2, and from HTTP/1 to HTTP/2.
"""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from nodeproxy.errors import BadRequest, ProxyError
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http1.request_head import scan_request
from nodeproxy.protocol.http1.response_head import scan_response
from nodeproxy.protocol.http1.sending import request_head, response_head
from nodeproxy.protocol.http2.frames import Trailers
from nodeproxy.protocol.http2.reader import FrameReader
from nodeproxy.protocol.message import Request, Response
from tests.fakes.http2_blocks import GET, LIMITS, OK, message
from tests.protocol.test_twin import TOKENS

WIDE = HeadLimits(head_bytes=2**20, fields=1000, line_bytes=2**20)  # Transfer-Encoding and TE are added
HOSTILE = (
    b"\r\n", b"\r", b"\n", b"\0", b" ", b"\t", b":", b"\x0b", b"\x7f", b"\x80", b",", b";", b"#", b"?", b"/", b"\\",
    b"%0d%0a", b"\r\nHost: evil", b"\r\nContent-Length: 9", b"\r\nTransfer-Encoding: chunked",
    b"\r\n\r\nGET /evil HTTP/1.1\r\n", b" HTTP/1.1", b"http://", b"a", b"B", b"5", b"@",
)  # fmt: skip
GOOD = (
    (b"content-length", b"5"), (b"content-length", b"0"), (b"te", b"trailers"), (b"expect", b"100-continue"),
    (b"cookie", b"a=b"), (b"cookie", b"c=d"), (b"cookie", b""), (b"x-forwarded-for", b"1.2.3.4"), (b"x_real_ip", b"1"),
    (b"traceparent", b"00-1"), (b"x-mesh-service", b"a.b"), (b"host", b"web.shop.mesh"), (b"date", b"d"), (b"x-a", b""),
    (b"x-a", b"1, 2"), (b"x-obs", b"a\t\xff"), (b"set-cookie", b"a"), (b"trailer", b"x"), (b"authorization", b"x"),
)  # fmt: skip
BAD = (
    (b"transfer-encoding", b"chunked"), (b"connection", b"close"), (b"connection", b"x-a"), (b"upgrade", b"h2c"),
    (b"Host", b"evil"), (b"host", b"evil"), (b"content-length", b"6"), (b"te", b"gzip"), (b"keep-alive", b"1"),
    (b"proxy-connection", b"close"), (b":path", b"/evil"), (b":status", b"200"), (b"transfer-encoding ", b"chunked"),
    (b"content_length", b"7"), (b"x-mesh-error", b"e"), (b"", b""),
)  # fmt: skip
ANYTHING = st.sampled_from((*GOOD, *BAD))
REPEATABLE = {b"cookie", b"x-forwarded-for", b"x-a", b"te", b"set-cookie"}


@st.composite
def changed(draw, message):
    """A valid message with at most two changes, most of which make it malformed."""
    pairs = list(draw(message))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(pairs) - 1))
        name, value = pairs[at]
        text, cut = draw(st.sampled_from(HOSTILE)), draw(st.integers(0, 12))
        pairs[at : at + 1] = draw(
            st.sampled_from(
                (
                    [(name, value[:cut] + text + value[cut:])],
                    [(name, value[:cut] + text + value[cut:])],
                    [(name[:cut] + text + name[cut:], value)],
                    [(name, text)],
                    [(name, value)] * 2,
                    [(name, value), draw(ANYTHING)],
                    [draw(ANYTHING), (name, value)],
                    [],
                )
            )
        )
        pairs = pairs or [(b"x-a", b"1")]
    return pairs


def unlike(pair):
    """What at most one field of a valid message has in common."""
    return pair if pair[0] in REPEATABLE else pair[0]


def valid(*pseudo):
    """Messages with one of each row of pseudo-fields, and good fields."""
    return st.tuples(*map(st.sampled_from, pseudo), st.lists(st.sampled_from(GOOD), max_size=6, unique_by=unlike)).map(
        lambda parts: [*parts[:-1], *parts[-1]]
    )


def row(name, *values):
    return [(name, value) for value in values]


requests = changed(valid(
    row(b":method", b"GET", b"POST", b"OPTIONS", b"TRACE", b"x"), row(b":scheme", b"http", b"https"),
    row(b":authority", b"web.shop.mesh", b"WEB.shop.mesh", b"[::1]:80"), row(b":path", b"/", b"/a?b=%20", b"/a/../b;c"),
))  # fmt: skip
responses = changed(valid(row(b":status", b"200", b"103", b"204", b"304", b"999")))


def flat(read):
    """What a request or response says, in any version."""
    said = list(read.fields.pairs())
    if isinstance(read, Request):
        return (
            read.method, read.authority, read.path, said, read.length, read.expects, read.takes_trailers, read.traced,
        )  # fmt: skip
    return read.status, said, read.dated


@settings(max_examples=250)
@example([*GET, *GOOD[2:8]], True)
@given(requests, st.booleans())
def test_a_request_is_the_same_one_in_http_1(codec, pairs, ended):
    read = message(codec, "requests", *pairs, ended=ended)
    if not isinstance(read, Request):
        assert isinstance(read, (ProxyError, Trailers))
        return

    sent = request_head(read, b"")
    again = scan_request(sent + b"GET /next HTTP/1.1\r\n", WIDE)

    assert again.end == len(sent)
    assert (flat(again.request), again.persistent) == (flat(read), True)
    assert not ended or read.length == 0


@settings(max_examples=250)
@example([*OK, *GOOD[9:]], False)
@given(responses, st.booleans())
def test_a_response_is_the_same_one_in_http_1(codec, pairs, ended):
    read = message(codec, "responses", *pairs, ended=ended)
    if not isinstance(read, Response):
        assert isinstance(read, (ProxyError, Trailers))
        return

    sent = response_head(read, b"\r\n")
    again = scan_response(sent + b"HTTP/1.1 200 OK\r\n", WIDE)

    assert again.end == len(sent)
    assert flat(again.response) == flat(read)


@settings(max_examples=250)
@example([*GET, *GOOD[2:8]], False)
@given(requests, st.booleans())
def test_a_request_is_the_same_one_in_http_2(codec, pairs, ended):
    read = message(codec, "requests", *pairs, ended=ended)
    if not isinstance(read, Request):
        return

    sent = codec.request_headers(read, b"", 1, ended)
    (again,) = FrameReader("requests", WIDE, codec).feed(sent)

    assert flat(again.payload) == flat(read)


@settings(max_examples=250)
@example([*OK, *GOOD[9:]], False)
@given(responses, st.booleans())
def test_a_response_is_the_same_one_in_http_2(codec, pairs, ended):
    read = message(codec, "responses", *pairs, ended=ended)
    if not isinstance(read, Response):
        return

    sent = codec.response_headers(read, b"", 1, ended)
    (again,) = FrameReader("responses", WIDE, codec).feed(sent)

    assert flat(again.payload) == flat(read)
    if read.status >= 200 and read.status != 204:  # others have no length to send
        assert again.payload.length == read.length


@settings(max_examples=250)
@example([b"X-Obs:  a\t\xff \r\n", b"TE: trailers\r\nConnection: te\r\n", b"content-length: 05 \r\n"])
@given(st.lists(st.sampled_from(TOKENS[11:]), max_size=8))
def test_a_request_of_http_1_is_the_same_one_in_http_2(codec, lines):
    try:
        head = scan_request(b"POST /a HTTP/1.1\r\nHost: a.b\r\n%b\r\n" % b"".join(lines), LIMITS)
    except BadRequest:
        return
    if head is None:  # incomplete
        return
    read = head.request

    sent = codec.request_headers(read, b"", 1, read.length == 0)
    (again,) = FrameReader("requests", WIDE, codec).feed(sent)

    assert flat(again.payload) == flat(read)
