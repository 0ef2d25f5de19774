"""What the mesh adds to a request, and the responses it makes itself."""

import random
import re

import pytest

from nodeproxy.errors import NoEndpoints
from nodeproxy.protocol.added import Adder, Forwarded, forwarded, is_traceparent, new_traceparent
from nodeproxy.protocol.head import HeadLimits, scan_request
from nodeproxy.protocol.status import error_head_and_body, own_head, reason_phrase

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LONG_AGO_S = 784_111_777.0  # the date that RFC 9110, 5.6.7 shows


def head_of(received):
    return scan_request(received.replace(b"\n", b"\r\n"), HeadLimits())


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        (TRACE, True),
        (TRACE.upper(), False),
        (b"01" + TRACE[2:], False),
        (b"ff" + TRACE[2:], False),
        (TRACE + b"-00", False),
        (TRACE[:-1], False),
        (b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01", False),
        (b"00-0af7651916cd43dd8448eb211c80319c-" + b"0" * 16 + b"-01", False),
        (b"", False),
    ],
)
def test_what_a_traceparent_is(value, valid):
    assert is_traceparent(value) is valid


@pytest.mark.parametrize(("sampled", "flags"), [(True, b"-01"), (False, b"-00")])
def test_a_new_trace_is_valid_even_when_chance_gives_zeros(sampled, flags):
    for bits in (random.Random(1).getrandbits, lambda _size: 0):
        trace = new_traceparent(bits, sampled)

        assert is_traceparent(trace) and trace.endswith(flags)


@pytest.mark.parametrize(("ratio", "flags"), [(1.0, b"01"), (0.0, b"00")])
def test_a_trace_begins_here_unless_the_request_has_one(ratio, flags):
    add = Adder(random.Random(1), ratio)

    for begun in (b"", b"traceparent: 00-zz\n", b"traceparent: %b\ntraceparent: %b\n" % (TRACE, TRACE)):
        lines = add(head_of(b"GET / HTTP/1.1\nHost: a\n" + begun + b"\n"), "10.0.0.1")
        assert re.search(rb"\r\ntraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-" + flags + rb"\r\n", lines)

    lines = add(head_of(b"GET / HTTP/1.1\nHost: a\ntraceparent: " + TRACE + b"\n\n"), "10.0.0.1")
    assert b"\r\ntraceparent: " + TRACE + b"\r\n" in lines


def test_the_lines_are_whole():
    add = Adder(random.Random(1), 0.0)
    received = b"POST / HTTP/1.1\nHost: a.b.mesh:81\ntraceparent: " + TRACE + b"\nTransfer-Encoding: chunked\n\n"

    assert add(head_of(received), "10.0.0.1") == (
        b"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.b.mesh:81\r\n"
        b"Via: 1.1 nodeproxy\r\ntraceparent: " + TRACE + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    assert b"Via: 1.0 nodeproxy\r\n" in add(head_of(b"GET / HTTP/1.0\n\n"), "10.0.0.1")


def test_what_a_trusted_client_says():
    said = forwarded(b"GET / HTTP/1.1\r\nx-forwarded-for: 1.1.1.1, 2.2.2.2 \r\nX-Forwarded-Host: edge\r\n\r\n")
    add = Adder(random.Random(1), 0.0)

    assert said == Forwarded(b"1.1.1.1, 2.2.2.2", b"", b"edge")
    assert add(head_of(b"GET / HTTP/1.1\nHost: a\n\n"), "10.0.0.1", said).startswith(
        b"X-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: edge\r\n"
    )


def test_an_own_response_is_a_response():
    assert own_head(404, 3, b"text/plain", b"A: 1\r\n", LONG_AGO_S) == (
        b"HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n"
        b"Content-Length: 3\r\nA: 1\r\n"
    )
    assert reason_phrase(499) == b""


def test_an_error_says_whose_it_is_and_what_to_check():
    head, body = error_head_and_body(NoEndpoints("shop/web has none; check its pods"), LONG_AGO_S)

    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"x-mesh-error: no-endpoints\r\n" in head and b"Content-Length: %d\r\n" % len(body) in head
    assert body == b"nodeproxy: no-endpoints: shop/web has none; check its pods\n"
