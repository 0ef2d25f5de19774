"""What the mesh adds to a request, and what of a client's own word goes into it."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeproxy.protocol.forwarded import VIA, Adder, Forwarded, element, forwarded, new_trace
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http1.request_head import scan_request
from nodeproxy.protocol.http1.sending import request_head

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def head_of(received):
    return scan_request(received.replace(b"\n", b"\r\n"), HeadLimits()).request


BEGUN = re.compile(rb"\r\ntraceparent: 00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01\r\n")


def test_a_new_trace_is_valid_even_when_chance_gives_zeros():
    for bits in (random.Random(1).getrandbits, lambda _size: 0):
        assert BEGUN.fullmatch(b"\r\n" + new_trace(bits))


def test_the_identifiers_of_a_new_trace_are_chance_where_samplers_look():
    lowest = {new_trace(lambda _size, given=given: given)[-36:-22] for given in (0, (1 << 120) - 1)}

    assert lowest == {b"0" * 14, b"f" * 14}


@pytest.mark.parametrize(("ratio", "begins"), [(1.0, True), (0.0, False)])
def test_a_trace_begins_here_where_it_is_asked_for_and_is_sampled(ratio, begins):
    lines = Adder(random.Random(1), ratio)(head_of(b"GET / HTTP/1.1\nHost: a\n\n"), "10.0.0.1")

    assert (BEGUN.search(lines) is not None) is begins
    assert (b"traceparent" in lines) is begins


@pytest.mark.parametrize(
    "fields", [b"traceparent: %b\n" % TRACE, b"TraceParent:\n", b"traceparent: x\ntraceparent: y\n"]
)
def test_no_second_trace_begins_in_a_request_that_has_one(fields):
    head = head_of(b"GET / HTTP/1.1\nHost: a\n" + fields + b"\n")

    assert b"traceparent" not in Adder(random.Random(1), 1.0)(head, "10.0.0.1")


def test_no_trace_begins_beside_a_tracestate():
    head = head_of(b"GET / HTTP/1.1\nHost: a\nTraceState: a=1\n\n")

    assert b"traceparent" not in Adder(random.Random(1), 1.0)(head, "10.0.0.1")


def test_the_lines_are_whole():
    add = Adder(random.Random(1), 0.0, VIA)
    received = b"POST / HTTP/1.1\nHost: a.b.mesh:81\ntraceparent: " + TRACE + b"\nTransfer-Encoding: chunked\n\n"

    assert add(head_of(received), "10.0.0.1") == (
        b"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.b.mesh:81\r\n"
        b"Via: 1.1 nodeproxy\r\n"
    )
    assert b"Via: 1.0 nodeproxy\r\n" in add(head_of(b"GET / HTTP/1.0\n\n"), "10.0.0.1")
    assert b"Via" not in Adder(random.Random(1), 0.0)(head_of(received), "10.0.0.1")


def test_what_a_trusted_client_says():
    said = forwarded(b"GET / HTTP/1.1\r\nx-forwarded-for: 1.1.1.1, 2.2.2.2 \r\nX-Forwarded-Host: edge\r\n\r\n")
    add = Adder(random.Random(1), 0.0)

    assert said == Forwarded(b"1.1.1.1, 2.2.2.2", b"", b"edge", b"", b"")
    assert add(head_of(b"GET / HTTP/1.1\nHost: a\n\n"), "10.0.0.1", said).startswith(
        b"X-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: edge\r\n"
    )


def test_a_trusted_client_that_says_nothing_is_as_any_other():
    add, head = Adder(random.Random(1), 0.0), head_of(b"GET / HTTP/1.1\nHost: a\ntraceparent: " + TRACE + b"\n\n")

    assert add(head, "10.0.0.1", forwarded(request_head(head, b""))) == add(head, "10.0.0.1")


def test_several_lines_of_a_field_are_one_in_their_order_and_no_other_field_is_among_them():
    fields = (
        b"x-FORWARDED-proto:\thttps \r\nX-Forwarded-Proto:\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Protocol: x\r\n"
    )
    twins = b"x_forwarded_for: 1\r\nX-Real_IP: 2\r\nA: \tx-real-ip: 3\r\n"

    assert forwarded(b"GET / HTTP/1.1\r\n" + fields + twins + b"\r\n") == Forwarded(b"", b"https, http", b"", b"", b"")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (b'for="[2001:db8::1]:4711";by=_a', True),
        (b'for="a\\"b, c"', True),
        (b"for=1.2.3.4:80", True),
        (b'for="x', False),
        (b'for="x\\"', False),
        (b'for=a, for="x" "', False),
    ],
)
def test_a_forwarded_field_that_would_swallow_what_is_appended_is_left_out(said, kept):
    assert forwarded(b"GET / HTTP/1.1\r\nForwarded: " + said + b"\r\n\r\n").elements == (said if kept else b"")


@pytest.mark.parametrize(
    ("client", "host", "ours"),
    [
        ("10.0.0.1", b"web.shop.mesh", b"for=10.0.0.1;host=web.shop.mesh;proto=http"),
        ("10.0.0.1", b"web.shop.mesh:81", b'for=10.0.0.1;host="web.shop.mesh:81";proto=http'),
        ("fd00::1", b"[fd00::2]", b'for="[fd00::1]";host="[fd00::2]";proto=http'),
        ("10.0.0.1", b"", b"for=10.0.0.1;proto=http"),
    ],
)
def test_the_element_that_is_appended_to_forwarded(client, host, ours):
    assert element(client, host) == ours


def test_the_share_of_requests_that_begin_a_trace_is_the_ratio():
    add, head = Adder(random.Random(1), 0.25), head_of(b"GET / HTTP/1.1\nHost: a\n\n")

    sampled = sum(b"traceparent" in add(head, "::1") for _ in range(2000))

    assert 400 < sampled < 600


def test_no_two_traces_are_the_same():
    chance = random.Random(1)

    assert len({new_trace(chance.getrandbits) for _ in range(1000)}) == 1000


@given(bits=st.integers(0, 2**192 - 1))
def test_every_number_makes_a_valid_trace(bits):
    assert BEGUN.fullmatch(b"\r\n" + new_trace(lambda _size: bits))


@pytest.mark.parametrize("framing", [b"", b"Content-Length: 5\n", b"Transfer-Encoding: chunked\n"])
@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_the_head_sent_on_is_well_formed(framing, ratio):
    head = head_of(b"GET / HTTP/1.1\nHost: a\n" + framing + b"\n")

    sent = request_head(head, Adder(random.Random(1), ratio, VIA)(head, "10.0.0.1"))

    again = scan_request(sent, HeadLimits())
    assert (again.end, again.request.length, again.request.authority) == (len(sent), head.length, b"a")
    assert again.request.traced is (ratio == 1.0)
