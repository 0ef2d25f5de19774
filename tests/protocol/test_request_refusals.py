"""Requests that two readers could understand differently, or that are too much: all refused, none repaired."""

import pytest

from nodeproxy.errors import (
    BadRequest,
    CodingNotSupported,
    ExpectationFailed,
    ForwardsUsedUp,
    HeadTooLarge,
    MethodNotSupported,
    TargetTooLong,
    VersionNotSupported,
)
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http1.request_head import ConnectAsked

LIMITS = HeadLimits()
HOST = b"Host: web.shop.mesh\r\n"
START = b"GET / HTTP/1.1\r\n" + HOST
POST = b"POST / HTTP/1.1\r\n" + HOST

MALFORMED = {
    "bare LF behind the request line": b"GET / HTTP/1.1\n" + HOST + b"\r\n",
    "bare LF behind a field": START + b"A: 1\nB: 2\r\n\r\n",
    "bare LF as the empty line": START + b"\n\r\n\r\n",
    "bare CR in a value": START + b"A: 1\rB: 2\r\n\r\n",
    "bare CR at a line's end": START + b"A: 1\r\r\n\r\n",
    "obs-fold": START + b"A: 1\r\n two\r\n\r\n",
    "obs-fold by tab": START + b"A: 1\r\n\ttwo\r\n\r\n",
    "white space before the colon": START + b"A : 1\r\n\r\n",
    "white space before the first field": b"GET / HTTP/1.1\r\n " + HOST + b"\r\n",
    "NUL in a value": START + b"A: 1\0\r\n\r\n",
    "control byte in a value": START + b"A: \x01\r\n\r\n",
    "DEL in a value": START + b"A: \x7f\r\n\r\n",
    "escape in the target": b"GET /\x1b[31m HTTP/1.1\r\n" + HOST + b"\r\n",
    "vertical tab in a value": START + b"A: \x0b\r\n\r\n",
    "form feed in a name": START + b"A\x0c: 1\r\n\r\n",
    "an empty line before the request line": b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "no colon": START + b"A\r\n\r\n",
    "no name": START + b": 1\r\n\r\n",
    "a name with a bracket": START + b"A[]: 1\r\n\r\n",
    "a name beyond ASCII": START + b"\xc3\xa4: 1\r\n\r\n",
    "a method with a slash": b"G/T / HTTP/1.1\r\n" + HOST + b"\r\n",
    "no method": b" / HTTP/1.1\r\n" + HOST + b"\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    "tab as a space": b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space behind the version": b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n",
    "a sign in the version": b"GET / HTTP/1.-1\r\n" + HOST + b"\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "lower-case version": b"GET / http/1.1\r\n" + HOST + b"\r\n",
    "two digits of version": b"GET / HTTP/1.10\r\n" + HOST + b"\r\n",
    "a fragment": b"GET /#a HTTP/1.1\r\n" + HOST + b"\r\n",
    "a backslash": b"GET /\\a HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target beyond ASCII": b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "a relative target": b"GET a HTTP/1.1\r\n" + HOST + b"\r\n",
    "an asterisk for GET": b"GET * HTTP/1.1\r\n" + HOST + b"\r\n",
    "another scheme": b"GET https://a/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target with user information": b"GET http://u@a/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target without authority": b"GET http:///a HTTP/1.1\r\n" + HOST + b"\r\n",
    "an authority that is no target": b"GET a:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target with an open bracket": b"GET http://[::1/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "an absolute target without Host": b"GET http://a/ HTTP/1.1\r\nA: 1\r\n\r\n",
    "an absolute target with two Hosts": b"GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "an absolute target with a malformed Host": b"GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n",
    "CONNECT without Host": b"CONNECT a:80 HTTP/1.1\r\nA: 1\r\n\r\n",
    "CONNECT to no port": b"CONNECT a HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT to port 0": b"CONNECT a:0 HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT beyond the ports": b"CONNECT a:65536 HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT to a path": b"CONNECT /a:1 HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT to a URL": b"CONNECT http://a:80/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT with user information": b"CONNECT u@a:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT with a body": b"CONNECT a:80 HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\n",
    "CONNECT with chunks": b"CONNECT a:80 HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n",
    "CONNECT with two lengths": b"CONNECT a:80 HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "two Hosts in HTTP/1.0": b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\nA: 1\r\n\r\n",
    "two Hosts": START + b"host: other\r\n\r\n",
    "two equal Hosts": START + HOST + b"\r\n",
    "a list as Host": b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "Host with a path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "Host with user information": b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
    "Host with an empty port": b"GET / HTTP/1.1\r\nHost: a:\r\n\r\n",
    "Host with six digits of port": b"GET / HTTP/1.1\r\nHost: a:100000\r\n\r\n",
    "Host that is only a port": b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n",
    "Host with an escape": b"GET / HTTP/1.1\r\nHost: a%00\r\n\r\n",
    "two services": START + b"x-mesh-service: a\r\nx-mesh-service: b\r\n\r\n",
    "two Content-Lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "two equal Content-Lengths": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "a list as Content-Length": POST + b"Content-Length: 1, 1\r\n\r\n",
    "a signed Content-Length": POST + b"Content-Length: +1\r\n\r\n",
    "a negative Content-Length": POST + b"Content-Length: -1\r\n\r\n",
    "a hexadecimal Content-Length": POST + b"Content-Length: 0x1\r\n\r\n",
    "an empty Content-Length": POST + b"Content-Length:\r\n\r\n",
    "a Content-Length with a space": POST + b"Content-Length: 1 1\r\n\r\n",
    "a Content-Length with an underscore": POST + b"Content-Length: 1_1\r\n\r\n",
    "a Content-Length beyond 63 bits": POST + b"Content-Length: 9999999999999999999\r\n\r\n",
    "a Content-Length in another alphabet": POST + "Content-Length: \u0661\r\n\r\n".encode(),
    "a Content-Length with a fraction": POST + b"Content-Length: 1.0\r\n\r\n",
    "an empty Content-Length before a good one": POST + b"Content-Length:\r\nContent-Length: 1\r\n\r\n",
    "Content-Length and Transfer-Encoding": POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "Transfer-Encoding and Content-Length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
    "another coding": POST + b"Transfer-Encoding: gzip\r\n\r\n",
    "a coding behind chunked": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
    "an empty coding before chunked": POST + b"Transfer-Encoding: , chunked\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunked twice in one field": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n",
    "chunked and a comma": POST + b"Transfer-Encoding: chunked,\r\n\r\n",
    "chunked in quotes": POST + b'Transfer-Encoding: "chunked"\r\n\r\n',
    "another coding, nominated": POST + b"Connection: transfer-encoding\r\nTransfer-Encoding: gzip\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "almost chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n",
    "chunked with a parameter": POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n",
    "chunked behind a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n",
    "an empty Transfer-Encoding": POST + b"Transfer-Encoding:\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
}


@pytest.mark.parametrize("received", MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_or_ambiguous_is_refused(heads, received):
    with pytest.raises(BadRequest) as caught:
        heads.scan_request(received, LIMITS)

    assert caught.type is BadRequest


@pytest.mark.parametrize(
    ("received", "error"),
    [
        (b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n", ConnectAsked),
        (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", VersionNotSupported),
        (b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", VersionNotSupported),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VersionNotSupported),
        (START + b"Expect: 100-continue;a=b\r\n\r\n", ExpectationFailed),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", CodingNotSupported),
        (POST + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: Chunked\r\n\r\n", CodingNotSupported),
        (b"OPTIONS * HTTP/1.1\r\nMax-Forwards: 0\r\n" + HOST + b"\r\n", ForwardsUsedUp),
        (b"TRACE / HTTP/1.1\r\n" + HOST + b"max-forwards: 00\r\n\r\n", MethodNotSupported),
        (b"TRACE / HTTP/1.1\r\n" + HOST + b"Max-Forwards: -1\r\n\r\n", BadRequest),
        (b"OPTIONS / HTTP/1.1\r\n" + HOST + b"Max-Forwards: 1\r\nMax-Forwards: 1\r\n\r\n", BadRequest),
        (START + b"Expect: 200-ok\r\n\r\n", ExpectationFailed),
        (START + b"Expect: 100-continue\r\nExpect: more\r\n\r\n", ExpectationFailed),
    ],
)
def test_what_is_not_served_says_which_kind(heads, received, error):
    with pytest.raises(error):
        heads.scan_request(received, LIMITS)


@pytest.mark.parametrize(
    "begun",
    [b"GET / HTTP/1.1\nHost", b"GET / HTTP/1.1\r\nA: \0", b"\x16\x03\x01\x02\x00", b"A: 1\rB", b"GET / HTTP/1.1\r\n\n"],
)
def test_what_can_never_become_a_head_is_refused_before_its_end(heads, begun):
    with pytest.raises(BadRequest):
        heads.scan_request(begun, LIMITS)


def test_the_limit_of_the_request_line_is_exact(heads):
    limits = HeadLimits(line_bytes=300)
    longest = b"GET /" + b"a" * (300 - len(b"GET / HTTP/1.1\r\n")) + b" HTTP/1.1\r\n"

    assert heads.scan_request(longest + HOST + b"\r\n", limits) is not None
    for received in (longest.replace(b" HTTP", b"a HTTP") + HOST + b"\r\n", b"GET /" + b"a" * 300):
        with pytest.raises(TargetTooLong):
            heads.scan_request(received, limits)


def test_the_limit_of_a_heads_bytes_is_exact(heads):
    limits = HeadLimits(head_bytes=2048)
    room = 2048 - len(START + b"A: \r\n\r\n")

    assert heads.scan_request(START + b"A: " + b"x" * room + b"\r\n\r\n" + b"body" * 999, limits) is not None
    for received in (START + b"A: " + b"x" * (room + 1) + b"\r\n\r\n", START + b"A: " + b"x" * 2048):
        with pytest.raises(HeadTooLarge):
            heads.scan_request(received, limits)


def test_the_limit_of_fields_is_exact(heads):
    limits = HeadLimits(fields=10)

    assert heads.scan_request(START + b"A: 1\r\n" * 9 + b"\r\n", limits) is not None
    for received in (START + b"A: 1\r\n" * 10 + b"\r\n", START + b"A: 1\r\n" * 12):
        with pytest.raises(HeadTooLarge):
            heads.scan_request(received, limits)
