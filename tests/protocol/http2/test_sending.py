"""Messages of any version, as the library hpack reads what is sent of them."""

import hpack
import pytest

from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.forwarded import VIA
from nodeproxy.protocol.http2 import codes
from nodeproxy.protocol.http2.hpack.encoder import NO_TABLE
from nodeproxy.protocol.message import UNKNOWN, Request, Response

FRAMED = b"Host: web.shop.mesh\r\nA: 1\r\nContent-LENGTH: 5\r\nX-b:  two  blanks \r\n"
HOP = b"Connection: x\r\nKeep-Alive: 1\r\nProxy-Connection: x\r\nTransfer-Encoding: chunked\r\nUpgrade: x\r\nTE: x\r\n"


def request(method=b"GET", block=FRAMED, length=5, path=b"/"):
    return Request(method, b"web.shop.mesh", path, Fields(block), length)


def read(sent, decoder=None):
    """(flags of HEADERS, fields) of frames of the stream 3."""
    flags, block = sent[4], b""
    assert sent[3] == codes.HEADERS
    while sent:
        size = int.from_bytes(sent[:3], "big")
        assert int.from_bytes(sent[5:9], "big") == 3
        assert bool(sent[4] & codes.END_HEADERS) is (len(sent) == 9 + size)
        block += sent[9 : 9 + size]
        sent = sent[9 + size :]
    decoder = decoder or hpack.Decoder(max_header_list_size=2**20)
    return flags, [tuple(pair) for pair in decoder.decode(block, raw=True)]


def test_a_request_is_sent_with_its_fields_and_those_added(codec):
    sent = codec.request_headers(request(), VIA[b"2"] + b"X-Forwarded-For: 1.2.3.4\r\n", 3, False)

    assert read(sent) == (codes.END_HEADERS, [
        (b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"web.shop.mesh"), (b"a", b"1"),
        (b"content-length", b"5"), (b"x-b", b"two  blanks"), (b"via", b"2 nodeproxy"), (b"x-forwarded-for", b"1.2.3.4"),
    ])  # fmt: skip


def test_a_request_without_body_ends_its_stream(codec):
    flags, fields = read(codec.request_headers(request(b"x-own", b"", 0, b"/a?b"), b"", 3, True))

    assert flags == codes.END_HEADERS | codes.END_STREAM
    assert fields == [
        (b":method", b"x-own"), (b":scheme", b"http"), (b":path", b"/a?b"), (b":authority", b"web.shop.mesh"),
    ]  # fmt: skip


def test_a_request_of_unknown_length_announces_none(codec):
    _, fields = read(codec.request_headers(request(length=UNKNOWN), b"", 3, False))

    assert [name for name, _ in fields[4:]] == [b"a", b"x-b"]


def test_a_client_that_takes_trailers_says_so(codec):
    made = request()
    made.takes_trailers = True

    assert (b"te", b"trailers") in read(codec.request_headers(made, b"", 3, False))[1]
    assert b"te" not in dict(read(codec.request_headers(request(), b"", 3, False))[1])


def test_a_request_without_authority_invents_none(codec):  # RFC 9113, 8.3.1
    made = Request(b"GET", b"", b"/", Fields(b"Host: \r\n"))

    assert [name for name, _ in read(codec.request_headers(made, b"", 3, True))[1]] == [
        b":method",
        b":scheme",
        b":path",
    ]


def test_edits_of_policies_are_sent(codec):
    made, answer = request(), Response(200, Fields(b"X-Old: 1\r\n"), 0)
    for fields in (made.fields, answer.fields):
        fields.set(b"X-New", b"2")
        fields.remove(b"X-Old")

    assert (b"x-new", b"2") in read(codec.request_headers(made, b"", 3, True))[1]
    assert read(codec.response_headers(answer, b"", 3, True))[1] == [(b":status", b"200"), (b"x-new", b"2")]


def test_fields_of_http_1_connections_are_not_sent(codec):  # RFC 9113, 8.2.2
    names = [name for name, _ in read(codec.request_headers(request(block=FRAMED + HOP), HOP, 3, False))[1]]
    assert names[4:] == [b"a", b"content-length", b"x-b"]

    response = Response(200, Fields(b"A: 1\r\n" + HOP), 0)
    assert read(codec.response_headers(response, HOP, 3, True))[1] == [(b":status", b"200"), (b"a", b"1")]
    assert read(codec.trailers_headers(HOP + b"X-A: 1\r\n", 3))[1] == [(b"x-a", b"1")]


@pytest.mark.parametrize("status", [100, 103, 200, 204, 206, 304, 400, 404, 500, 302, 503, 999])
def test_a_response_is_sent_with_its_status(codec, status):
    response = Response(status, Fields(b"Content-Type: a/b\r\n"), UNKNOWN)

    flags, fields = read(codec.response_headers(response, b"Date: d\r\nVia: 1.1 nodeproxy\r\n", 3, False))

    assert flags == codes.END_HEADERS
    assert fields == [
        (b":status", b"%d" % status), (b"content-type", b"a/b"), (b"date", b"d"), (b"via", b"1.1 nodeproxy"),
    ]  # fmt: skip


@pytest.mark.parametrize("lines", [b"", b"grpc-status: 0\r\nGrpc-Message: a%20b\r\nX-Empty:\r\n"])
def test_trailers_end_their_stream(codec, lines):
    flags, fields = read(codec.trailers_headers(lines, 3))

    assert flags == codes.END_HEADERS | codes.END_STREAM
    assert fields == [(b"grpc-status", b"0"), (b"grpc-message", b"a%20b"), (b"x-empty", b"")] * bool(lines)


@pytest.mark.parametrize("size", [0, 126, 127, 128, 254, 255, 16383, 16384, 40_000])
def test_values_and_names_of_any_size_are_sent(codec, size):
    lines = b"X-A: %b\r\nX-%b: 1\r\nServer: %b\r\n" % (b"v" * size, b"N" * size, b"s" * size)
    expected = [(b"x-a", b"v" * size), (b"x-%b" % (b"n" * size), b"1"), (b"server", b"s" * size)]

    assert read(codec.request_headers(request(), lines, 3, False))[1][-3:] == expected
    assert read(codec.response_headers(Response(200, Fields(lines), 0), b"", 3, False))[1][-3:] == expected
    assert read(codec.trailers_headers(lines, 3))[1] == expected


def test_secrets_are_never_to_be_indexed(codec):
    lines = b"Authorization: x\r\nCookie: x\r\nSet-Cookie: x\r\nProxy-Authorization: x\r\nX-A: x\r\n"

    sent = codec.trailers_headers(lines, 3)

    secret = [isinstance(pair, hpack.NeverIndexedHeaderTuple) for pair in hpack.Decoder().decode(sent[9:], raw=True)]
    assert secret == [True] * 4 + [False]


def test_a_peer_whose_table_is_gone_is_told_first(codec):
    decoder = hpack.Decoder()
    decoder.max_allowed_table_size = 0
    for sent in (
        codec.request_headers(request(), b"", 3, False, NO_TABLE),
        codec.response_headers(Response(200, Fields(), 0), b"", 3, False, prefix=NO_TABLE),
        codec.trailers_headers(b"A: 1\r\n", 3, NO_TABLE),
    ):
        assert sent[9:10] == NO_TABLE
        assert read(sent, decoder)[1]
