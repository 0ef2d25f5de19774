"""Limits from both sides, and identifiers made of the least likely numbers."""

import re

import pytest

from nodeproxy.errors import BadRequest, BadResponse
from nodeproxy.protocol.forwarded import Adder
from nodeproxy.protocol.http1.framing import CHUNK_LINE_BYTES, BrokenBody, Chunked
from nodeproxy.protocol.http1.head import HeadLimits
from tests.fakes.exchanges import request

LIMITS = HeadLimits()
START = b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
TRACE = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01")  # W3C Trace Context, 3.2.2


class Chance:
    """Gives the same bits whenever it is asked; without any, as many ones as it is asked for."""

    def __init__(self, bits):
        self._bits = bits

    def getrandbits(self, size):
        return (1 << size) - 1 if self._bits is None else self._bits

    def random(self):
        return 0.0


@pytest.mark.parametrize("bits", [0, 1, 1 << 63, 1 << 64, 1 << 64 | 1, 1 << 191, None])
def test_a_trace_that_begins_here_is_valid_whatever_the_bits(bits):
    lines = Adder(Chance(bits), 1.0)(request(), "10.0.0.1")

    (trace,) = re.findall(rb"traceparent: (.*)\r\n", lines)
    assert TRACE.fullmatch(trace) is not None


def test_all_bits_of_a_trace_are_of_chance():
    lines = Adder(Chance(None), 1.0)(request(), "10.0.0.1")

    assert b"traceparent: 00-" + b"f" * 32 + b"-" + b"f" * 16 + b"-01\r\n" in lines


def test_where_none_is_to_be_sampled_not_even_the_least_number_is():
    assert re.search(rb"traceparent: .*-01\r\n", Adder(Chance(0), 0.0)(request(), "10.0.0.1")) is None


@pytest.mark.parametrize("before", [b"", b"1\r\na\r\n"], ids=["first", "second"])
def test_a_chunks_first_line_beyond_its_limit_is_refused_with_its_data(before):
    longest = b"1;" + b"e" * (CHUNK_LINE_BYTES - 2)

    assert Chunked().feed(before + longest + b"\r\na").endswith(b"a")
    for more in (1, 2, 3, CHUNK_LINE_BYTES * 4):
        with pytest.raises(BrokenBody, match="first line"):
            Chunked().feed(before + longest + b"e" * more + b"\r\na\r\n0\r\n\r\n")


def test_a_length_has_at_most_eighteen_digits(heads):
    for digits in (17, 18):
        lines = b"Content-Length: " + b"9" * digits + b"\r\n\r\n"
        assert heads.scan_request(START + lines, LIMITS).length == 10**digits - 1
        assert heads.scan_response(OK + lines, LIMITS).length == 10**digits - 1

    beyond = b"Content-Length: " + b"0" * 18 + b"1\r\n\r\n"
    with pytest.raises(BadRequest):
        heads.scan_request(START + beyond, LIMITS)
    with pytest.raises(BadResponse):
        heads.scan_response(OK + beyond, LIMITS)


def test_a_head_has_at_most_a_hundred_fields(heads):
    assert heads.scan_request(START + b"A: 1\r\n" * 99 + b"\r\n", LIMITS) is not None
    assert heads.scan_response(OK + b"A: 1\r\n" * 100 + b"\r\n", LIMITS) is not None

    with pytest.raises(BadRequest):
        heads.scan_request(START + b"A: 1\r\n" * 100 + b"\r\n", LIMITS)
    with pytest.raises(BadResponse):
        heads.scan_response(OK + b"A: 1\r\n" * 101 + b"\r\n", LIMITS)


def test_empty_lines_are_no_response_to_wait_for(heads):
    with pytest.raises(BadResponse):
        heads.scan_response(b"\r\n\r\n", LIMITS)
