"""Messages that an HTTP/1 peer could understand differently, or that are too much: refused, and none repaired."""

import hpack
import pytest

from nodeproxy.errors import (
    BadRequest,
    ExpectationFailed,
    ForwardsUsedUp,
    HeadTooLarge,
    MethodNotSupported,
    ResponseHeadersTooLarge,
    TargetTooLong,
)
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2 import frames
from nodeproxy.protocol.http2.codes import PROTOCOL_ERROR
from nodeproxy.protocol.http2.errors import MalformedRequest, MalformedResponse, StreamBroken
from nodeproxy.protocol.http2.frames import Trailers
from nodeproxy.protocol.http2.reader import FrameReader
from tests.fakes.http2_blocks import GET, OK, POST, message

METHOD, SCHEME, PATH, AUTHORITY = GET
CONNECT, OPTIONS = (b":method", b"CONNECT"), (b":method", b"OPTIONS")
HOST = (b"host", b"web.shop.mesh")
X = (b"x-a", b"1")


def path(value):
    return [METHOD, SCHEME, (b":path", value), AUTHORITY]


def authority(value):
    return [METHOD, SCHEME, PATH, (b":authority", value)]


def method(value):
    return [(b":method", value), SCHEME, PATH, AUTHORITY]


def fields(*more):
    return [*GET, *more]


def value(text):
    return fields((b"x-a", text), (b"x-b", b"2"))


# By section, of RFC 9113 where no other is named.
MALFORMED = {
    "8.2.1, upper case in a name": fields((b"X-a", b"1")),
    "8.2.1, an empty name": fields((b"", b"1")),
    "8.2.1, a blank in a name": fields((b"x a", b"1")),
    "8.2.1, a colon in a name": fields((b"x:a", b"1")),
    "8.2.1, CRLF in a name": fields((b"x: 1\r\ny", b"1")),
    "8.2.1, NUL in a name": fields((b"x\0", b"1")),
    "8.2.1, a name beyond ASCII": fields((b"\xc3\xa4", b"1")),
    "8.2.1, a name with a parenthesis": fields((b"x(a)", b"1")),
    "8.2.1, CRLF in a value": value(b"1\r\nHost: other"),
    "8.2.1, two CRLF in a value": value(b"1\r\n\r\nGET /admin HTTP/1.1\r\nHost: a"),
    "8.2.1, CR in a value": value(b"1\r2"),
    "8.2.1, LF in a value": value(b"1\n2"),
    "8.2.1, CR at the end of a value": value(b"1\r"),
    "8.2.1, LF at the end of a value": value(b"1\n"),
    "8.2.1, NUL in a value": value(b"1\x002"),
    "8.2.1, a blank before a value": value(b" 1"),
    "8.2.1, a blank behind a value": value(b"1 "),
    "8.2.1, a tab before a value": value(b"\t1"),
    "8.2.1, a tab behind a value": value(b"1\t"),
    "8.2.1, a value of one blank": value(b" "),
    "RFC 9110, 5.5, an escape in a value": value(b"\x1b[31m"),
    "RFC 9110, 5.5, DEL in a value": value(b"\x7f"),
    "8.2.1, a blank in a crumb": fields((b"cookie", b"a=b "), (b"cookie", b"c=d")),
    "8.2.2, connection": fields((b"connection", b"close")),
    "8.2.2, an empty connection": fields((b"connection", b"")),
    "8.2.2, keep-alive": fields((b"keep-alive", b"timeout=5")),
    "8.2.2, proxy-connection": fields((b"proxy-connection", b"keep-alive")),
    "8.2.2, transfer-encoding": fields((b"transfer-encoding", b"chunked")),
    "8.2.2, upgrade": fields((b"upgrade", b"websocket")),
    "8.2.2, te with a coding": fields((b"te", b"gzip")),
    "8.2.2, te with more than trailers": fields((b"te", b"trailers, deflate")),
    "8.2.2, te with nothing": fields((b"te", b"")),
    "8.3, a pseudo-field behind another field": [*GET[:3], X, AUTHORITY],
    "8.3, a pseudo-field behind one that is taken out": [*GET[:3], (b"te", b"trailers"), AUTHORITY],
    "8.3, an unknown pseudo-field": [*GET, (b":version", b"HTTP/1.1")],
    "8.3, a pseudo-field in upper case": [(b":Method", b"GET"), *GET[1:]],
    "8.3, an empty pseudo-field": [*GET, (b":", b"1")],
    "8.3, a pseudo-field of responses": [*GET, *OK],
    "8.3.1, two methods": [METHOD, *GET],
    "8.3.1, two paths": [*GET, PATH],
    "8.3.1, two authorities": [*GET, AUTHORITY],
    "8.3.1, two schemes": [*GET, SCHEME],
    "8.3.1, no method": GET[1:],
    "8.3.1, no scheme": [METHOD, PATH, AUTHORITY],
    "8.3.1, no path": [METHOD, SCHEME, AUTHORITY],
    "8.3.1, neither authority nor host": GET[:3],
    "8.3.1, an empty authority": authority(b""),
    "8.3.1, an empty host": [*GET[:3], (b"host", b"")],
    "8.3.1, host and authority differ": fields((b"host", b"other.shop.mesh")),
    "8.3.1, host and authority differ by a port": fields((b"host", b"web.shop.mesh:80")),
    "8.3.1, two hosts": fields(HOST, HOST),
    "8.3.1, two hosts without authority": [*GET[:3], HOST, HOST],
    "8.3.1, two different hosts": [*GET[:3], HOST, (b"host", b"a")],
    "8.3.1, user information": authority(b"user@web.shop.mesh"),
    "8.3.1, an authority with a path": authority(b"a/b"),
    "8.3.1, an authority with CRLF": authority(b"a\r\nX: 1"),
    "8.3.1, an authority with a blank": authority(b"a b"),
    "8.3.1, a list of authorities": authority(b"a, b"),
    "8.3.1, an authority with an empty port": authority(b"a:"),
    "8.3.1, an authority with an open bracket": authority(b"[::1"),
    "8.3.1, a malformed host": [*GET[:3], (b"host", b"a b")],
    "8.3.1, an empty path": path(b""),
    "8.3.1, a relative path": path(b"a"),
    "8.3.1, an absolute target as path": path(b"http://web.shop.mesh/"),
    "8.3.1, an asterisk for GET": path(b"*"),
    "8.3.1, a blank in the path": path(b"/a b"),
    "8.3.1, a request line in the path": path(b"/ HTTP/1.1\r\nX: 1\r\nY: "),
    "8.3.1, LF in the path": path(b"/\n"),
    "8.3.1, NUL in the path": path(b"/\0"),
    "8.3.1, a path beyond ASCII": path(b"/\xff"),
    "8.3.1, a fragment": path(b"/#a"),
    "8.3.1, a backslash": path(b"/\\a"),
    "8.3.1, an empty method": method(b""),
    "8.3.1, a method with a blank": method(b"GET /admin"),
    "8.3.1, a method with CRLF": method(b"GET / HTTP/1.1\r\nX:"),
    "8.3.1, a method with a slash": method(b"G/T"),
    "8.3.1, another scheme": [METHOD, (b":scheme", b"ftp"), PATH, AUTHORITY],
    "8.3.1, an empty scheme": [METHOD, (b":scheme", b""), PATH, AUTHORITY],
    "8.3.1, a scheme with CRLF": [METHOD, (b":scheme", b"http\r\n"), PATH, AUTHORITY],
    "8.5, CONNECT with a path": [CONNECT, PATH, (b":authority", b"a:1")],
    "8.5, CONNECT with a scheme": [CONNECT, SCHEME, (b":authority", b"a:1")],
    "8.5, CONNECT without authority": [CONNECT],
    "8.5, CONNECT with a host in place of an authority": [CONNECT, (b"host", b"a:1")],
    "8.5, CONNECT to no port": [CONNECT, (b":authority", b"a")],
    "8.5, CONNECT to port 0": [CONNECT, (b":authority", b"a:0")],
    "8.5, CONNECT beyond the ports": [CONNECT, (b":authority", b"a:65536")],
    "8.5, CONNECT with a length": [CONNECT, (b":authority", b"a:1"), (b"content-length", b"1")],
    "RFC 8441, 4, :protocol without CONNECT": [*GET, (b":protocol", b"websocket")],
    "RFC 8441, 4, an extended CONNECT without path": [CONNECT, SCHEME, AUTHORITY, (b":protocol", b"websocket")],
    "8.1.1, a content-length without body": fields((b"content-length", b"1")),
}
LENGTHS = {
    "two": [(b"content-length", b"1"), (b"content-length", b"2")],
    "two equal ones": [(b"content-length", b"1"), (b"content-length", b"1")],
    "a list": [(b"content-length", b"1, 1")],
    "a sign": [(b"content-length", b"+1")],
    "a negative one": [(b"content-length", b"-1")],
    "hexadecimal": [(b"content-length", b"0x1")],
    "none": [(b"content-length", b"")],
    "a blank": [(b"content-length", b"1 1")],
    "an underscore": [(b"content-length", b"1_1")],
    "another alphabet": [(b"content-length", "\u0661".encode())],
    "a fraction": [(b"content-length", b"1.0")],
    "nineteen digits": [(b"content-length", b"0" * 18 + b"1")],
}
REFUSED = {
    "CONNECT": ([CONNECT, (b":authority", b"a:1")], MethodNotSupported),
    "CONNECT of an address": ([CONNECT, (b":authority", b"[::1]:443"), X], MethodNotSupported),
    "extended CONNECT to another protocol": ([CONNECT, *GET[1:], (b":protocol", b"connect-udp")], MethodNotSupported),
    "an expectation": (fields((b"expect", b"200-ok")), ExpectationFailed),
    "two expectations": (fields((b"expect", b"100-continue"), (b"expect", b"more")), ExpectationFailed),
    "two services": (fields((b"x-mesh-service", b"a"), (b"x-mesh-service", b"b")), BadRequest),
    "OPTIONS that may not be forwarded": ([OPTIONS, *GET[1:], (b"max-forwards", b"0")], ForwardsUsedUp),
    "TRACE that may not be": ([(b":method", b"TRACE"), *GET[1:], (b"max-forwards", b"00")], MethodNotSupported),
    "OPTIONS to be forwarded -1 times": ([OPTIONS, *GET[1:], (b"max-forwards", b"-1")], BadRequest),
}
OF_RESPONSES = {
    "8.3.2, no status": [X],
    "8.3.2, two statuses": [*OK, *OK],
    "8.3, a pseudo-field of requests": [*OK, PATH],
    "8.3, a status behind a field": [X, *OK],
    "8.3.2, a status of two digits": [(b":status", b"20")],
    "8.3.2, a status of four digits": [(b":status", b"2000")],
    "8.3.2, a status below 100": [(b":status", b"099")],
    "8.3.2, a status with a phrase": [(b":status", b"200 OK")],
    "8.3.2, a status with CRLF": [(b":status", b"200\r\nX: 1")],
    "8.3.2, an empty status": [(b":status", b"")],
    "8.3.2, a status in another alphabet": [(b":status", "\u0662\u0660\u0660".encode())],
    "8.6, 101": [(b":status", b"101")],
    "8.2.1, CRLF in a value": [*OK, (b"x-a", b"1\r\nSet-Cookie: a=b")],
    "8.2.1, upper case in a name": [*OK, (b"X-a", b"1")],
    "8.2.1, a blank behind a value": [*OK, (b"x-a", b"1 ")],
    "8.2.2, connection": [*OK, (b"connection", b"close")],
    "8.2.2, transfer-encoding": [*OK, (b"transfer-encoding", b"chunked")],
    "8.2.2, te": [*OK, (b"te", b"gzip")],
}
TRAILERS = {
    "8.1, a pseudo-field": [X, (b":status", b"200")],
    "8.2.1, CRLF in a value": [(b"x-a", b"1\r\n\r\nHTTP/1.1 200 OK")],
    "8.2.1, upper case in a name": [(b"X-a", b"1")],
    "8.2.2, transfer-encoding": [(b"transfer-encoding", b"chunked")],
    "RFC 9110, 6.5.1, content-length": [(b"content-length", b"1")],
    "RFC 9110, 6.5.1, host": [X, (b"host", b"a")],
    "RFC 9110, 6.5.1, te": [(b"te", b"trailers")],
    "RFC 9110, 6.5.1, trailer": [(b"trailer", b"x-a")],
    "RFC 9110, 6.5.1, authorization": [(b"authorization", b"x")],
    "RFC 9110, 6.5.1, content-type": [(b"content-type", b"x")],
    "RFC 9110, 6.5.1, cookie": [(b"cookie", b"a=b"), (b"cookie", b"c=d")],
    "a field of the mesh": [(b"x-mesh-error", b"x")],
    "a forwarding field": [(b"x-forwarded-for", b"1.2.3.4")],
    "a forwarding field with underscores": [(b"x_forwarded_for", b"1.2.3.4")],
    "more than 16 KiB": [(b"x-a", b"x" * 16 * 1024)],
}


@pytest.mark.parametrize("pairs", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_request_ends_its_stream(codec, pairs):
    refused = message(codec, "requests", *pairs)

    assert type(refused) is MalformedRequest and isinstance(refused, StreamBroken)
    assert refused.code == PROTOCOL_ERROR


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_a_length_that_is_not_one_number_ends_its_stream(codec, lengths):  # RFC 9110, 8.6
    assert type(message(codec, "requests", *POST, *lengths, ended=False)) is MalformedRequest
    assert type(message(codec, "responses", *OK, *lengths, ended=False)) is MalformedResponse


@pytest.mark.parametrize(("pairs", "error"), REFUSED.values(), ids=REFUSED)
def test_a_request_that_is_refused_gets_the_response_of_http_1(codec, pairs, error):
    refused = message(codec, "requests", *pairs)

    assert type(refused) is error
    assert not isinstance(refused, StreamBroken)


@pytest.mark.parametrize("pairs", OF_RESPONSES.values(), ids=OF_RESPONSES)
def test_what_is_no_response_ends_its_stream(codec, pairs):
    refused = message(codec, "responses", *pairs, ended=False)

    if any(name.startswith(b":") for name, _ in pairs):
        assert type(refused) is MalformedResponse and isinstance(refused, StreamBroken)
        assert (refused.code, refused.fault) == (PROTOCOL_ERROR, "endpoint")
    else:  # its connection knows whether trailers are due
        assert isinstance(refused, Trailers)


def test_an_informational_response_is_not_the_end(codec):  # RFC 9113, 8.1
    assert type(message(codec, "responses", (b":status", b"103"), ended=True)) is MalformedResponse
    assert message(codec, "responses", (b":status", b"103"), ended=False).status == 103


@pytest.mark.parametrize("pairs", TRAILERS.values(), ids=TRAILERS)
def test_what_is_no_trailer_ends_its_stream(codec, pairs):
    assert type(message(codec, "responses", *pairs)) is MalformedResponse
    assert type(message(codec, "requests", *pairs)) is MalformedRequest


def test_the_limit_of_fields_is_exact(codec):
    limits = HeadLimits(fields=10)
    for most, receives, pairs, error in (
        (9, "requests", GET, HeadTooLarge), (10, "responses", OK, ResponseHeadersTooLarge),
    ):  # fmt: skip
        assert message(codec, receives, *pairs, *[X] * most, limits=limits).fields.block().count(b"x-a: 1\r\n") == most
        for more in (1, 5, 50):
            assert type(message(codec, receives, *pairs, *[X] * (most + more), limits=limits)) is error


def test_the_limit_of_bytes_is_exact(codec):
    limits = HeadLimits(head_bytes=2048)
    for receives, pairs, error in (("requests", GET, HeadTooLarge), ("responses", OK, ResponseHeadersTooLarge)):
        room = 2048 - sum(len(name) + len(text) + 32 for name, text in pairs) - len(b"x-a") - 32

        assert message(codec, receives, *pairs, (b"x-a", b"x" * room), limits=limits).fields.get(b"x-a") == b"x" * room
        for more in (1, 100, 4000):
            assert type(message(codec, receives, *pairs, (b"x-a", b"x" * (room + more)), limits=limits)) is error


def test_the_limit_of_the_target_is_that_of_a_request_line(codec):
    limits = HeadLimits(line_bytes=300)
    longest = b"/" + b"a" * (300 - len(b"GET / HTTP/1.1\r\n"))

    assert message(codec, "requests", *path(longest), limits=limits).path == longest
    assert type(message(codec, "requests", *path(longest + b"a"), limits=limits)) is TargetTooLong


def test_what_is_refused_leaves_the_next_message_as_it_was_sent(codec):
    encoder, reader = hpack.Encoder(), FrameReader("requests", HeadLimits(head_bytes=3000), codec)
    for pairs in (
        [*GET, (b"x-first", b"1"), (b"connection", b"close"), (b"x-second", b"2")],
        [*GET, (b"x-third", b"y" * 3000), (b"x-fourth", b"4")],
    ):
        (refused,) = reader.feed(frames.header_frames(encoder.encode(pairs), 1, True))
        assert isinstance(refused.payload, BadRequest)

    pairs = [*GET, (b"x-first", b"1"), (b"x-second", b"2"), (b"x-fourth", b"4")]
    (read,) = reader.feed(frames.header_frames(encoder.encode(pairs), 3, True))
    assert read.payload.fields.block() == b"host: web.shop.mesh\r\nx-first: 1\r\nx-second: 2\r\nx-fourth: 4\r\n"
