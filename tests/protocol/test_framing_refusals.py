"""Chunked bodies that two readers could cut differently, or that are too much: refused, for good."""

import pytest

from nodeproxy.protocol.http1.framing import CHUNK_LINE_BYTES, EXTENSION_BYTES, TRAILER_BYTES, BrokenBody, Chunked

REQUEST = b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"

BROKEN = {
    "no size": b"\r\n",
    "no digit": b"x\r\n",
    "a sign": b"+1\r\na\r\n0\r\n\r\n",
    "a negative size": b"-1\r\n",
    "a prefix": b"0x1\r\na\r\n0\r\n\r\n",
    "an underscore": b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "a blank before the size": b" 1\r\na\r\n0\r\n\r\n",
    "a blank behind the size": b"1 \r\na\r\n0\r\n\r\n",
    "digits of another alphabet": "\u0661\r\na\r\n0\r\n\r\n".encode(),
    "more than 60 bits": b"1000000000000000\r\n",
    "a decimal fraction": b"1.0\r\na\r\n",
    "a list": b"1,1\r\na\r\n",
    "bare LF behind the size": b"1\na\r\n0\r\n\r\n",
    "bare CR behind the size": b"1\ra\r\n0\r\n\r\n",
    "bare CR in an extension": b"1;a\rb\r\na\r\n0\r\n\r\n",
    "bare LF in an extension": b"1;a\nb\r\na\r\n0\r\n\r\n",
    "NUL in an extension": b"1;\0\r\na\r\n0\r\n\r\n",
    "two CRs": b"1\r\r\na\r\n0\r\n\r\n",
    "data beyond its size": b"1\r\nab\r\n0\r\n\r\n",
    "data short of its size": b"2\r\na\r\n0\r\n\r\n",
    "no line end behind data": b"1\r\na0\r\n\r\n",
    "bare LF behind data": b"1\r\na\n0\r\n\r\n",
    "bare CR behind data": b"1\r\na\r0\r\n\r\n",
    "a request behind data": b"1\r\na" + REQUEST,
    "a request as a chunk": REQUEST,
    "bare LF as the end": b"0\r\n\n",
    "bare LF behind a trailer": b"0\r\nA: 1\n\r\n\r\n",
    "bare CR in a trailer": b"0\r\nA: 1\rB: 2\r\n\r\n",
    "NUL in a trailer": b"0\r\nA: \0\r\n\r\n",
    "a folded trailer": b"0\r\nA: 1\r\n 2\r\n\r\n",
    "a blank before a trailer's colon": b"0\r\nA : 1\r\n\r\n",
    "a trailer without a colon": b"0\r\nA\r\n\r\n",
    "a trailer without a name": b"0\r\n: 1\r\n\r\n",
    "a request as trailers": b"0\r\n" + REQUEST,
}
FORBIDDEN_TRAILERS = (
    b"Transfer-Encoding", b"content-length", b"Host", b"Connection", b"TE", b"Trailer", b"Upgrade", b"Keep-Alive",
    b"Proxy-Connection", b"Proxy-Authorization", b"Authorization", b"Cookie", b"Set-Cookie", b"Content-Encoding",
    b"Content-Type", b"Content-Range", b"x-mesh-service", b"X-Mesh-Error", b"X-Forwarded-For", b"x_forwarded_proto",
    b"X-Forwarded-Host", b"Forwarded", b"X-Real-IP", b"x_real_ip",
)  # fmt: skip


def feed_all(body, pieces):
    for piece in pieces:
        body.feed(piece)
    body.end()


def one_by_one(wire):
    return [wire[at : at + 1] for at in range(len(wire))]


@pytest.mark.parametrize("wire", BROKEN.values(), ids=BROKEN)
def test_broken_chunks_are_refused_whole_and_byte_by_byte(wire):
    for pieces in ([wire], one_by_one(wire)):
        with pytest.raises(BrokenBody):
            feed_all(Chunked(), pieces)


@pytest.mark.parametrize("wire", BROKEN.values(), ids=BROKEN)
def test_behind_broken_chunks_nothing_is_a_body_or_a_request(wire):
    for size in range(len(wire) + 1):
        body = Chunked()
        try:
            body.feed(wire[:size])
        except BrokenBody:
            for more in (b"", b"\r\n", b"0\r\n\r\n", b"\r\n\r\n", REQUEST):
                with pytest.raises(BrokenBody):
                    body.feed(more)
        assert not body.done
        assert body.surplus == b""


@pytest.mark.parametrize("begun", [b"z", b"1z", b"1\n", b"1 x", b"1;\0", b"1\r\nab", b"1\r\na\n", b"0\r\nA: 1\n"])
def test_what_can_never_become_a_chunk_is_refused_before_its_end(begun):
    with pytest.raises(BrokenBody):
        Chunked().feed(begun)


@pytest.mark.parametrize("name", FORBIDDEN_TRAILERS)
@pytest.mark.parametrize("before", [b"", b"A: 1\r\n"], ids=["first", "second"])
def test_framing_routing_and_identity_have_no_business_behind_a_body(name, before):
    for spelled in (name, name.lower(), name.upper()):
        with pytest.raises(BrokenBody):
            Chunked().feed(b"0\r\n" + before + spelled + b": 1\r\n\r\n")


@pytest.mark.parametrize("name", [b"X-Host", b"Hosts", b"X-TE", b"ETag", b"X-Content-Length", b"Server-Timing"])
def test_a_trailer_with_a_similar_name_is_let_through(name):
    body = Chunked()

    body.feed(b"0\r\n" + name + b": host: 1\r\n\r\n")

    assert body.trailers == name + b": host: 1\r\n"


def test_the_limit_of_a_chunks_first_line_is_exact():
    longest = b"1;" + b"e" * (CHUNK_LINE_BYTES - 2)

    for pieces in ([longest + b"\r\na"], one_by_one(longest + b"\r\na")):
        body = Chunked()
        assert b"".join(body.feed(piece) for piece in pieces) == b"a"
    for wire in (longest + b"e\r\na", longest + b"e", longest + b"e\r"):
        for pieces in ([wire], one_by_one(wire)):
            with pytest.raises(BrokenBody):
                feed_all(Chunked(), pieces)


def test_the_limit_of_all_extensions_is_exact_and_of_the_whole_body():
    line = b"1;" + b"e" * 127 + b"\r\na\r\n"
    allowed = EXTENSION_BYTES // 128
    body = Chunked()

    assert body.feed(line * allowed) == b"a" * allowed
    assert body.feed(b"1\r\nb\r\n") == b"b"
    with pytest.raises(BrokenBody, match="extensions"):
        body.feed(b"1;\r\nb\r\n")


def test_the_limit_of_trailers_is_exact_wherever_they_are_cut():
    trailers = b"A: " + b"x" * (TRAILER_BYTES - 5) + b"\r\n"
    wire = b"0\r\n" + trailers + b"\r\n"

    for cut in range(len(wire) - 6, len(wire) + 1):
        body = Chunked()
        body.feed(wire[:cut])
        body.feed(wire[cut:])
        assert body.trailers == trailers
    longer = wire.replace(b"A", b"AA")
    for cut in range(len(longer) - 6, len(longer) + 1):
        with pytest.raises(BrokenBody):
            feed_all(Chunked(), (longer[:cut], longer[cut:]))


def test_trailers_without_end_are_refused_at_their_limit():
    body = Chunked()
    body.feed(b"0\r\nA: ")

    with pytest.raises(BrokenBody, match="too long"):
        body.feed(b"x" * TRAILER_BYTES)
