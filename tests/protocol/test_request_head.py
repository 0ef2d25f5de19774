"""Request heads that are understood, and what is understood."""

import pytest

from nodeproxy.protocol.http1.head import HeadLimits
from tests.fakes.heads import CHUNKED

LIMITS = HeadLimits()


def request(line=b"GET / HTTP/1.1", *fields):
    return b"\r\n".join([line, *(fields or (b"Host: web.shop.mesh",)), b"", b""])


@pytest.mark.parametrize(
    ("line", "fields", "target", "host"),
    [
        (b"GET / HTTP/1.1", (b"Host: a.b.mesh",), b"/", b"a.b.mesh"),
        (b"GET /p?q=%20 HTTP/1.1", (b"hOST:a.b.mesh:8080  ",), b"/p?q=%20", b"a.b.mesh:8080"),
        (b"GET / HTTP/1.1", (b"Host: [::1]:80",), b"/", b"[::1]:80"),
        (b"GET / HTTP/1.1", (b"Host:",), b"/", b""),
        (b"GET / HTTP/1.0", (b"X: y",), b"/", b""),
        (b"OPTIONS * HTTP/1.1", (b"Host: a.b.mesh",), b"*", b"a.b.mesh"),
        (b"GET http://x.y.mesh/p HTTP/1.1", (b"Host: a.b.mesh",), b"/p", b"x.y.mesh"),
        (b"GET HTTP://x.y.mesh HTTP/1.1", (b"Host: a.b.mesh",), b"/", b"x.y.mesh"),
        (b"GET http://x.y.mesh:81?q HTTP/1.1", (b"Host: a.b.mesh",), b"/?q", b"x.y.mesh:81"),
        (b"OPTIONS http://x.y.mesh HTTP/1.1", (b"Host: a.b.mesh",), b"*", b"x.y.mesh"),
    ],
)
def test_where_it_goes(heads, line, fields, target, host):
    head = heads.scan_request(request(line, *fields), LIMITS)

    assert (head.target, head.host) == (target, host)
    assert head.head.startswith(b"%b %b HTTP/1.1\r\n" % (line.partition(b" ")[0], target))


def test_an_absolute_target_replaces_the_host_field(heads):
    head = heads.scan_request(request(b"GET http://x.y.mesh/ HTTP/1.1", b"A: 1", b"Host: a.b.mesh", b"B: 2"), LIMITS)

    assert head.head == b"GET / HTTP/1.1\r\nHost: x.y.mesh\r\nA: 1\r\nB: 2\r\n"


@pytest.mark.parametrize(
    ("target", "fields", "sent"),
    [
        (b"/", (b"A: 1",), b"Host: \r\nA: 1\r\n"),
        (b"/", (b"Host: a", b"A: 1"), b"Host: a\r\nA: 1\r\n"),
        (b"/", (b"Host:",), b"Host:\r\n"),
        (b"/", (b"Connection: host", b"A: 1"), b"Host: \r\nA: 1\r\n"),
        (b"http://a", (b"A: 1",), b"Host: a\r\nA: 1\r\n"),
    ],
)
def test_an_old_request_goes_on_with_one_host(heads, target, fields, sent):
    head = heads.scan_request(request(b"GET %b HTTP/1.0" % target, *fields), LIMITS)

    assert head.head == b"GET / HTTP/1.1\r\n" + sent
    assert heads.scan_request(head.head + b"\r\n", LIMITS).host == head.host


@pytest.mark.parametrize(
    ("minor", "connection", "persistent"),
    [
        (b"1", None, True),
        (b"1", b"close", False),
        (b"1", b"Close", False),
        (b"1", b"foo, close", False),
        (b"1", b"keep-alive", True),
        (b"0", None, False),
        (b"0", b"keep-alive", True),
        (b"0", b"Keep-Alive, close", False),
    ],
)
def test_whether_the_connection_goes_on(heads, minor, connection, persistent):
    fields = [b"Host: a.b.mesh"] + ([b"Connection: " + connection] if connection else [])

    head = heads.scan_request(request(b"GET / HTTP/1." + minor, *fields), LIMITS)

    assert head.persistent is persistent
    assert head.minor == int(minor)


def test_order_and_spelling_are_kept_and_what_ends_at_this_hop_is_cut_out(heads):
    received = request(
        b"GET / HTTP/1.1",
        b"hOsT: a.b.mesh",
        b"X-b:  two  spaces ",
        b"Connection: X-Hop, close, host",
        b"Keep-Alive: timeout=5",
        b"x-hop: 1",
        b"TE: trailers",
        b"Proxy-Connection: x",
        b"Upgrade: h2c",
        b"X-Forwarded-For: 1.2.3.4",
        b"x_forwarded_for: 1.2.3.4",
        b"X-Real_IP: 1.2.3.4",
        b"Forwarded: for=1.2.3.4",
        b"traceparent: old",
        b"X-Mesh-Service: a.b.mesh",
        b"X-A:",
        b"X-Hopper: stays",
        b"X-Obs: \xff",
    )

    head = heads.scan_request(received, LIMITS)

    assert head.head == (
        b"GET / HTTP/1.1\r\nhOsT: a.b.mesh\r\nX-b:  two  spaces \r\ntraceparent: old\r\nX-A:\r\nX-Hopper: stays\r\n"
        b"X-Obs: \xff\r\n"
    )


@pytest.mark.parametrize(
    ("fields", "length", "kept"),
    [
        ((), 0, b""),
        ((b"Content-Length: 0",), 0, b"Content-Length: 0\r\n"),
        ((b"content-length:\t42 ",), 42, b"content-length:\t42 \r\n"),
        ((b"Content-Length: 0042",), 42, b"Content-Length: 0042\r\n"),
        ((b"Transfer-Encoding: Chunked",), CHUNKED, b""),
        ((b"Content-Length: 5", b"Connection: content-length"), 5, b"Content-Length: 5\r\n"),
    ],
)
def test_how_its_body_is_framed(heads, fields, length, kept):
    head = heads.scan_request(request(b"POST / HTTP/1.1", b"Host: a", *fields), LIMITS)

    assert head.length == length
    assert head.head == b"POST / HTTP/1.1\r\nHost: a\r\n" + kept


def test_what_the_mesh_is_told(heads):
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    received = request(
        b"PUT / HTTP/1.1", b"Host: a", b"x-mesh-service: web.shop.mesh", b"TraceParent: " + trace,
        b"Expect: 100-Continue", b"Content-Length: 3",
    )  # fmt: skip

    head = heads.scan_request(received + b"abcGET", LIMITS)

    assert (head.service, head.traced, head.expects) == (b"web.shop.mesh", True, True)
    assert head.end == len(received)


@pytest.mark.parametrize(
    "fields",
    [
        (
            b"TraceParent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            b"TRACESTATE: a=1",
            b"tracestate: b=2",
        ),
        (b"traceparent: cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-be-like",),
        (b"traceparent: x", b"traceparent: y", b"tracestate:"),
        (b"traceparent:", b"tracestate: a=1"),
    ],
)
def test_a_trace_goes_on_as_it_came(heads, fields):
    head = heads.scan_request(request(b"GET / HTTP/1.1", b"Host: a", *fields), LIMITS)

    assert head.traced
    assert head.head == b"\r\n".join((b"GET / HTTP/1.1", b"Host: a", *fields, b""))


def test_no_trace_is_seen_where_there_is_none(heads):
    assert not heads.scan_request(request(b"GET / HTTP/1.1", b"Host: a", b"tracestate: a=1"), LIMITS).traced


@pytest.mark.parametrize(
    ("method", "fields", "sent"),
    [
        (b"OPTIONS", (b"max-forwards: 10", b"A: 1"), (b"A: 1", b"Max-Forwards: 9")),
        (b"TRACE", (b"Max-Forwards:\t01 ",), (b"Max-Forwards: 0",)),
        (b"OPTIONS", (b"A: 1",), (b"A: 1",)),
        (b"GET", (b"Max-Forwards: 0",), (b"Max-Forwards: 0",)),
        (b"PUT", (b"Max-Forwards: many",), (b"Max-Forwards: many",)),
    ],
)
def test_forwards_are_counted_down_where_they_are_limited(heads, method, fields, sent):
    head = heads.scan_request(request(method + b" /p HTTP/1.1", b"Host: a", *fields), LIMITS)

    assert head.head == b"\r\n".join((method + b" /p HTTP/1.1", b"Host: a", *sent, b""))


def test_empty_members_of_an_expectation_do_not_count(heads):
    for value, expects in ((b", 100-Continue,", True), (b"", False)):
        head = heads.scan_request(request(b"PUT / HTTP/1.1", b"Host: a", b"Expect:" + value), LIMITS)

        assert head.expects is expects


@pytest.mark.parametrize(
    ("line", "persistent"),
    [
        (b"GET http://a/ HTTP/1.0", False),
        (b"OPTIONS * HTTP/1.0", False),
        (b"GET / HTTP/1.0", True),
        (b"GET http://a/ HTTP/1.1", True),
    ],
)
def test_a_proxy_keeps_no_connection_with_an_http_1_0_client(heads, line, persistent):
    assert heads.scan_request(request(line, b"Host: a", b"Connection: keep-alive"), LIMITS).persistent is persistent


def test_http_1_0_expects_nothing(heads):
    assert heads.scan_request(request(b"GET / HTTP/1.0", b"Expect: 100-continue"), LIMITS).expects is False


def test_no_proper_beginning_is_a_head(heads):
    received = request(b"POST /p HTTP/1.1", b"Host: a.b.mesh", b"X: y", b"Content-Length: 3")

    for size in range(len(received)):
        assert heads.scan_request(received[:size], LIMITS) is None
    assert heads.scan_request(received, LIMITS).end == len(received)
