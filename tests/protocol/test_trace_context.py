"""Trace contexts: what of W3C and B3 is read, and what is sent."""

import random

import pytest
from hypothesis import given
from hypothesis.strategies import binary

from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.trace_context import (
    IDS_BYTES,
    NO_PARENT,
    Ids,
    Parent,
    context_lines,
    parent_of,
    parse_traceparent,
    usual_parent,
)

TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
PARENT = b"00-%b-%b-" % (TRACE, SPAN)
SHORT = TRACE[16:]


def read(*lines, b3=True):
    block = b"".join(line + b"\r\n" for line in lines)
    return parent_of(Fields(block), b"traceparent:" in block.lower(), b3)


@pytest.mark.parametrize(
    ("value", "parent"),
    [
        (PARENT + b"01", Parent(TRACE, SPAN, True)),
        (PARENT + b"00", Parent(TRACE, SPAN, False)),
        (PARENT + b"03", Parent(TRACE, SPAN, True, 2)),
        (PARENT + b"10", Parent(TRACE, SPAN, False)),
        (b"cc-%b-%b-01-what-the-future-will-be-like" % (TRACE, SPAN), Parent(TRACE, SPAN, True)),
        (b"cc-%b-%b-09" % (TRACE, SPAN), Parent(TRACE, SPAN, True)),
    ],
)
def test_a_valid_traceparent_is_read(value, parent):
    assert parse_traceparent(value) == parent


@pytest.mark.parametrize(
    "value",
    [
        b"", b"00", PARENT, PARENT + b"0", PARENT + b"01-", PARENT + b"01-more", b"ff" + PARENT[2:] + b"01",
        PARENT.upper() + b"01", b"00-%b-%b-01" % (b"0" * 32, SPAN), b"00-%b-%b-01" % (TRACE, b"0" * 16),
        b"00-%b-%b-01" % (TRACE[1:], SPAN), b"00-%b-%b-0x" % (TRACE, SPAN), b"cc-%b-%b-01.x" % (TRACE, SPAN),
    ],
)  # fmt: skip
def test_an_invalid_traceparent_counts_as_absent(value):
    assert parse_traceparent(value) is None and read(b"traceparent: " + value) == NO_PARENT


@pytest.mark.parametrize("start", [b"", b"Accept: */*\r\n"])
@pytest.mark.parametrize("flags", [b"00", b"01", b"02", b"03"])
def test_a_usual_traceparent_is_found_where_it_stands(start, flags):
    line = b"traceparent: " + PARENT + flags + b"\r\n"

    found = usual_parent(start + line + b"Host: a\r\n")

    assert found[0] == line and parse_traceparent(PARENT + flags)[:2] == found.groups()[:2]


@pytest.mark.parametrize(
    "block",
    [
        b"", b"Accept: */*\r\n", b"x-traceparent: " + PARENT + b"01\r\n", b"Traceparent: " + PARENT + b"01\r\n",
        b"traceparent: " + PARENT + b"11\r\n", b"traceparent: " + PARENT + b"01 \r\n",
        b"traceparent: 00-%b-%b-01\r\n" % (b"0" * 32, SPAN), b"traceparent: 00-%b-%b-01\r\n" % (TRACE, b"0" * 16),
    ],
)  # fmt: skip
def test_all_else_is_left_to_the_walk(block):
    assert usual_parent(block) is None


def test_two_traceparents_are_none():
    assert read(b"traceparent: " + PARENT + b"01", b"Traceparent: " + PARENT + b"00") == NO_PARENT


@pytest.mark.parametrize(
    ("lines", "parent"),
    [
        ([b"b3: %b-%b-1" % (TRACE, SPAN)], Parent(TRACE, SPAN, True, 0, b"b3")),
        ([b"B3: %b-%b-0" % (TRACE, SPAN)], Parent(TRACE, SPAN, False, 0, b"b3")),
        ([b"b3: %b-%b-d" % (TRACE, SPAN)], Parent(TRACE, SPAN, True, 0, b"b3")),
        ([b"b3: %b-%b" % (TRACE, SPAN)], Parent(TRACE, SPAN, None, 0, b"b3")),
        ([b"b3: %b-%b-1-%b" % (TRACE, SPAN, SPAN)], Parent(TRACE, SPAN, True, 0, b"b3")),
        ([b"b3: %b-%b-1" % (SHORT, SPAN)], Parent(b"0" * 16 + SHORT, SPAN, True, 0, b"b3")),
        ([b"b3: 0"], Parent(b"", b"", False, 0, b"b3")),
        ([b"b3: d"], Parent(b"", b"", True, 0, b"b3")),
        ([b"X-B3-TraceId: " + TRACE, b"X-B3-SpanId: " + SPAN, b"X-B3-Sampled: 1"],
         Parent(TRACE, SPAN, True, 0, b"x-b3")),
        ([b"x-b3-traceid: " + TRACE, b"x-b3-spanid: " + SPAN], Parent(TRACE, SPAN, None, 0, b"x-b3")),
        ([b"X-B3-TraceId: " + TRACE, b"X-B3-SpanId: " + SPAN, b"X-B3-Flags: 1"], Parent(TRACE, SPAN, True, 0, b"x-b3")),
        ([b"X-B3-Sampled: true"], Parent(b"", b"", True, 0, b"x-b3")),
        ([b"X-B3-Sampled: 0"], Parent(b"", b"", False, 0, b"x-b3")),
    ],
)  # fmt: skip
def test_b3_is_read_in_both_forms(lines, parent):
    assert read(*lines) == parent


@pytest.mark.parametrize(
    "lines",
    [
        [b"b3: "], [b"b3: 2"], [b"b3: %b" % TRACE], [b"b3: %b-%b-1" % (b"0" * 32, SPAN[:-1])],
        [b"X-B3-TraceId: " + TRACE], [b"X-B3-TraceId: zz", b"X-B3-SpanId: " + SPAN], [b"X-B3-Sampled: maybe"],
        [b"Sec-B3: 1"], [b"X-Of-b3: " + TRACE],
    ],
)  # fmt: skip
def test_b3_that_is_not_valid_counts_as_absent(lines):
    assert read(*lines) == NO_PARENT


def test_b3_is_not_read_where_it_is_switched_off():
    assert read(b"b3: %b-%b-1" % (TRACE, SPAN), b3=False) == NO_PARENT


def test_traceparent_has_precedence_over_b3_which_is_sent_on_too():
    other = TRACE[::-1]

    found = read(b"b3: %b-%b-0" % (other, SPAN), b"traceparent: " + PARENT + b"01")

    assert found == Parent(TRACE, SPAN, True, 0, b"b3")


@pytest.mark.parametrize("form", [b"", b"b3", b"x-b3"])
@pytest.mark.parametrize("sampled", [True, False])
def test_what_is_sent_is_what_was_read(form, sampled):
    parent = Parent(TRACE, SPAN, sampled, 0, form)

    sent = context_lines(TRACE, SPAN, parent, sampled)

    assert read(*sent.split(b"\r\n")[:-1]) == parent


def test_the_flag_random_is_passed_on():
    assert context_lines(TRACE, SPAN, Parent(TRACE, SPAN, True, 2)) == b"traceparent: " + PARENT + b"03\r\n"


def test_no_two_ids_are_the_same():
    ids = Ids(random.Random(1).randbytes)

    taken = {ids.take(32)[16:] for _ in range(1000)} | {ids.take(16) for _ in range(1000)}

    assert len(taken) == 2000 and all(len(each) == 16 for each in taken)


def test_ids_are_not_zero_even_when_chance_gives_zeros():
    chances = iter([bytes(IDS_BYTES), bytes(IDS_BYTES - 1) + b"1", b"1" * IDS_BYTES])

    ids = Ids(lambda _number: next(chances))

    assert parse_traceparent(b"00-%b-%b-01" % (ids.take(32), ids.take(16))) == Parent(b"31" * 16, b"31" * 8, True)


@given(value=binary(max_size=80))
def test_no_value_of_a_field_breaks_the_reading(value):
    text = bytes(byte for byte in value if byte >= 32)

    found = parent_of(Fields(b"b3: %b\r\ntraceparent: %b\r\nx-b3-traceid: %b\r\n" % (text, text, text)), True, True)

    assert len(found.trace_id) in (0, 32)
