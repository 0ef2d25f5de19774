"""Messages that are understood, and what is understood."""

import pytest

from nodeproxy.protocol.forwarded import Forwarded, forwarded
from nodeproxy.protocol.http2 import frames
from nodeproxy.protocol.http2.frames import Trailers
from nodeproxy.protocol.http2.reader import FrameReader
from nodeproxy.protocol.message import UNKNOWN
from tests.fakes.http2_blocks import GET, LIMITS, OK, POST, headers, message

HOST_LINE = b"host: web.shop.mesh\r\n"
REST = GET[1:]


def request(codec, *pairs, ended=True):
    return message(codec, "requests", *pairs, ended=ended)


def response(codec, *pairs, ended=True):
    return message(codec, "responses", *pairs, ended=ended)


@pytest.mark.parametrize(
    ("pairs", "method", "authority", "path"),
    [
        (GET, b"GET", b"web.shop.mesh", b"/"),
        (((b":path", b"/p?q=%20"), (b":authority", b"[::1]:80"), (b":scheme", b"https"), (b":method", b"x-own")),
         b"x-own", b"[::1]:80", b"/p?q=%20"),
        ((*GET[:3], (b"host", b"a.b.mesh:8080")), b"GET", b"a.b.mesh:8080", b"/"),
        ((*GET, (b"host", b"WEB.shop.mesh")), b"GET", b"web.shop.mesh", b"/"),
        (((b":method", b"OPTIONS"), (b":scheme", b"HTTP"), (b":path", b"*"), GET[3]),
         b"OPTIONS", b"web.shop.mesh", b"*"),
    ],
)  # fmt: skip
def test_where_a_request_goes(codec, pairs, method, authority, path):
    read = request(codec, *pairs, (b"x-a", b"1"))

    assert (read.method, read.authority, read.path) == (method, authority, path)
    assert (read.scheme, read.version, read.upgrade) == (b"http", b"2", b"")
    assert read.fields.block() == b"host: %b\r\nx-a: 1\r\n" % authority


def test_fields_stay_in_their_order_and_what_ends_at_this_hop_is_cut_out(codec):
    read = request(
        codec, *GET,
        (b"x-b", b"two  blanks"),
        (b"te", b"trailers"),
        (b"x-forwarded-for", b"1.2.3.4"),
        (b"x_forwarded_for", b"1.2.3.4"),
        (b"x-real_ip", b"1.2.3.4"),
        (b"forwarded", b"for=1.2.3.4"),
        (b"x-mesh-service", b"a.b.mesh"),
        (b"traceparent", b"old"),
        (b"x-empty", b""),
        (b"x-obs", b"\xff\t\x80"),
        (b"x-b", b"again"),
        (b"content-length", b"0"),
    )  # fmt: skip

    assert read.fields.block() == (
        HOST_LINE + b"x-b: two  blanks\r\ntraceparent: old\r\nx-empty: \r\nx-obs: \xff\t\x80\r\nx-b: again\r\n"
        b"content-length: 0\r\n"
    )
    assert (read.takes_trailers, read.service, read.traced) == (True, b"a.b.mesh", True)


def test_what_is_not_said_is_not_set(codec):
    read = request(codec, *GET)

    assert (read.takes_trailers, read.service, read.traced, read.expects) == (False, b"", False, False)


def test_crumbs_of_a_cookie_are_one_field_at_the_first_ones_place(codec):  # RFC 9113, 8.2.3
    crumbs = [(b"cookie", b"a=b"), (b"x-a", b"1"), (b"cookie", b"c=d"), (b"cookie", b"e=f"), (b"x-b", b"2")]

    read = request(codec, *GET, *crumbs)

    assert read.fields.block() == HOST_LINE + b"cookie: a=b; c=d; e=f\r\nx-a: 1\r\nx-b: 2\r\n"


@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue", b", 100-continue ,"])
def test_a_client_that_waits_for_100_is_seen(codec, value):
    read = request(codec, *POST, (b"expect", value), (b"content-length", b"3"), ended=False)

    assert (read.expects, read.length) == (True, 3)
    assert read.fields.block() == HOST_LINE + b"expect: %b\r\ncontent-length: 3\r\n" % value


@pytest.mark.parametrize(
    ("lengths", "ended", "length"),
    [((), True, 0), ((), False, UNKNOWN), ((b"0",), True, 0), ((b"5",), False, 5), ((b"0005",), False, 5),
     ((b"9" * 18,), False, 10**18 - 1), ((b"0",), False, 0)],
)  # fmt: skip
def test_the_length_of_a_body(codec, lengths, ended, length):
    pairs = [(b"content-length", each) for each in lengths]

    assert request(codec, *POST, *pairs, ended=ended).length == length
    assert response(codec, *OK, *pairs, ended=ended).length == length


def test_a_response_to_head_keeps_its_length(codec):
    assert response(codec, *OK, (b"content-length", b"5"), ended=True).length == 5


@pytest.mark.parametrize(
    ("method", "value", "line"),
    [(b"OPTIONS", b"10", b"Max-Forwards: 9\r\n"), (b"TRACE", b"01", b"Max-Forwards: 0\r\n"),
     (b"GET", b"0", b"max-forwards: 0\r\n"), (b"PUT", b"many", b"max-forwards: many\r\n")],
)  # fmt: skip
def test_forwards_are_counted_down_where_they_are_limited(codec, method, value, line):
    assert request(codec, (b":method", method), *REST, (b"max-forwards", value)).fields.block() == HOST_LINE + line


def test_the_forwarding_fields_of_a_client_are_kept_apart(codec):
    pairs = (
        (b"x-forwarded-for", b"1.2.3.4"), (b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"h"),
        (b"forwarded", b"for=5"), (b"x-real-ip", b"6.7.8.9"), (b"x-forwarded-for", b"2.3.4.5"),
        (b"x_forwarded_for", b"6.6.6.6"), (b"x-forwarded_proto", b"x"), (b"x_real_ip", b"6.6.6.6"),
    )  # fmt: skip

    (frame,) = FrameReader("requests", LIMITS, codec).feed(headers(*GET, *pairs))

    assert frame.payload.fields.block() == HOST_LINE
    assert forwarded(frame.said) == Forwarded(b"1.2.3.4, 2.3.4.5", b"https", b"h", b"for=5", b"6.7.8.9")


@pytest.mark.parametrize("pairs", [(), ((b"x_forwarded_for", b"6.6.6.6"), (b"x_real-ip", b"6.6.6.6"))])
def test_nothing_is_kept_apart_of_a_client_without_them(codec, pairs):
    (frame,) = FrameReader("requests", LIMITS, codec).feed(headers(*GET, *pairs))

    assert (frame.said, frame.payload.fields.block()) == (b"", HOST_LINE)


def test_a_response(codec):
    read = response(codec, (b":status", b"404"), (b"date", b"d"), (b"x-mesh-error", b"e"), (b"set-cookie", b"a"),
                    (b"set-cookie", b"b"), ended=False)  # fmt: skip

    assert (read.status, read.phrase, read.version, read.dated) == (404, b"", b"2", True)
    assert (read.length, read.first, read.body, read.upgrade, read.reason) == (UNKNOWN, b"", None, b"", "")
    assert read.fields.block() == b"date: d\r\nset-cookie: a\r\nset-cookie: b\r\n"


@pytest.mark.parametrize(("status", "kept"), [(b"103", False), (b"204", False), (b"304", True), (b"999", True)])
def test_a_status_without_body_loses_its_length(codec, status, kept):  # RFC 9110, 8.6
    read = response(codec, (b":status", status), (b"content-length", b"5"), (b"link", b"x"), ended=False)

    assert (read.status, read.dated) == (int(status), False)
    assert read.fields.block() == b"content-length: 5\r\n" * kept + b"link: x\r\n"


@pytest.mark.parametrize("receives", ["requests", "responses"])
def test_trailers(codec, receives):
    read = message(codec, receives, (b"grpc-status", b"0"), (b"grpc-message", b"%20"), (b"x-empty", b""))

    assert read == Trailers(b"grpc-status: 0\r\ngrpc-message: %20\r\nx-empty: \r\n")
    assert message(codec, receives) == Trailers(b"")


def test_padding_and_priority_of_headers_are_no_part_of_the_message(codec):
    block = headers(*GET)[9:]
    payload = b"\x05" + b"\x80\0\0\3\x10" + block + b"\0" * 5

    (frame,) = FrameReader("requests", LIMITS, codec).feed(frames.header(len(payload), 1, 0x2D, 5) + payload)

    assert (frame.flags, frame.stream, frame.size, frame.payload.fields.block()) == (0x2D, 5, len(block), HOST_LINE)
