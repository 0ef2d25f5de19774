"""What the mesh adds to a request, and what of a client's own word goes into it."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeproxy.protocol.added import Adder, Forwarded, element, forwarded, is_traceparent, new_traceparent
from nodeproxy.protocol.head import HeadLimits, scan_request

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


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
        (TRACE + b"0", False),
        (TRACE + b"\n", False),
        (b" " + TRACE, False),
        (TRACE.replace(b"-", b"_"), False),
        (TRACE.replace(b"c-", b"g-"), False),
        (TRACE[:-2] + b"ff", True),
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

    assert said == Forwarded(b"1.1.1.1, 2.2.2.2", b"", b"edge", b"", b"")
    assert add(head_of(b"GET / HTTP/1.1\nHost: a\n\n"), "10.0.0.1", said).startswith(
        b"X-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: edge\r\n"
    )


def test_a_trusted_client_that_says_nothing_is_as_any_other():
    add, head = Adder(random.Random(1), 0.0), head_of(b"GET / HTTP/1.1\nHost: a\ntraceparent: " + TRACE + b"\n\n")

    assert add(head, "10.0.0.1", forwarded(head.head + b"\r\n")) == add(head, "10.0.0.1")


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


def test_the_share_of_sampled_traces_is_the_ratio():
    add, head = Adder(random.Random(1), 0.25), head_of(b"GET / HTTP/1.1\nHost: a\n\n")

    sampled = sum(add(head, "::1").endswith(b"-01\r\n\r\n") for _ in range(2000))

    assert 400 < sampled < 600


def test_no_two_traces_are_the_same():
    chance = random.Random(1)

    assert len({new_traceparent(chance.getrandbits, True) for _ in range(1000)}) == 1000


@given(bits=st.integers(0, 2**192 - 1), sampled=st.booleans())
def test_every_number_makes_a_valid_trace(bits, sampled):
    assert is_traceparent(new_traceparent(lambda _size: bits, sampled))


@pytest.mark.parametrize("framing", [b"", b"Content-Length: 5\n", b"Transfer-Encoding: chunked\n"])
@given(trace=st.binary(max_size=60))
def test_whatever_a_client_calls_its_trace_the_head_sent_on_is_well_formed(framing, trace):
    head = head_of(b"GET / HTTP/1.1\nHost: a\n" + framing + b"\n")

    sent = head.head + Adder(random.Random(1), 0.5)(head._replace(traceparent=trace), "10.0.0.1")

    again = scan_request(sent, HeadLimits())
    assert (again.end, again.length, again.host) == (len(sent), head.length, b"a")
    assert is_traceparent(again.traceparent)
