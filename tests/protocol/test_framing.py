"""Bodies, cut into whatever pieces they arrive in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeproxy.protocol.framing import (
    CHUNK_LINE_BYTES,
    EXTENSION_BYTES,
    TRAILER_BYTES,
    BrokenBody,
    Chunked,
    chunk,
    decoder,
    last_chunk,
)
from nodeproxy.protocol.head import CHUNKED, UNTIL_CLOSE

BODIES = {
    "empty": (CHUNKED, b"0\r\n\r\n", b"", b""),
    "one chunk": (CHUNKED, b"5\r\nhello\r\n0\r\n\r\n", b"hello", b""),
    "upper and lower case": (CHUNKED, b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2, b""),
    "leading zeros": (CHUNKED, b"005\r\nhello\r\n000\r\n\r\n", b"hello", b""),
    "extensions": (CHUNKED, b'5;a\r\nhello\r\n1 ; b="c"\r\n!\r\n0;d\r\n\r\n', b"hello!", b""),
    "trailers": (CHUNKED, b"1\r\nx\r\n0\r\nA: 1\r\nETag: b\r\n\r\n", b"x", b"A: 1\r\nETag: b\r\n"),
    "CRLF inside": (CHUNKED, b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n", b""),
    "sized": (5, b"hello", b"hello", b""),
}


def decoded(length, pieces):
    reader, body = decoder(length), b""
    for piece in pieces:
        assert not reader.done, "who has the end feeds no more"
        body += reader.feed(piece)
    return body, reader


@pytest.mark.parametrize(("length", "sent", "body", "trailers"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("surplus", [b"", b"GET / HTTP/1.1\r\n"])
def test_every_split_gives_the_same_body(length, sent, body, trailers, surplus):
    received = sent + surplus
    for at in range(len(sent)):
        got, reader = decoded(length, [piece for piece in (received[:at], received[at:]) if piece])

        assert (got, reader.done, reader.trailers, reader.surplus) == (body, True, trailers, surplus)


@pytest.mark.parametrize(("length", "sent", "body", "trailers"), BODIES.values(), ids=BODIES)
def test_byte_by_byte(length, sent, body, trailers):
    got, reader = decoded(length, [sent[at : at + 1] for at in range(len(sent))])

    assert (got, reader.done, reader.trailers, reader.surplus) == (body, True, trailers, b"")


@pytest.mark.parametrize(("length", "sent"), [(body[0], body[1]) for body in BODIES.values()], ids=BODIES)
def test_an_end_that_comes_too_early_is_not_an_end(length, sent):
    for size in range(len(sent)):
        reader = decoded(length, [sent[:size]] if size else [])[1]
        with pytest.raises(BrokenBody):
            reader.end()
    decoded(length, [sent])[1].end()


def test_a_body_until_close_ends_with_the_connection():
    body, reader = decoded(UNTIL_CLOSE, [b"a", b"b"])
    assert not reader.done

    reader.end()

    assert (body, reader.done) == (b"ab", True)


BROKEN = {
    "no number": b"x\r\n",
    "empty size": b"\r\n",
    "a sign": b"+5\r\nhello\r\n",
    "0x": b"0x5\r\nhello\r\n",
    "an underscore": b"1_0\r\n",
    "a space before": b" 5\r\nhello\r\n",
    "more than 15 digits": b"0" * 16 + b"\r\n",
    "bare LF": b"5\nhello\r\n",
    "bare CR": b"5\rhello",
    "a control byte in an extension": b"5;\0\r\nhello\r\n",
    "a CR in an extension": b"5;a\rb\r\nhello\r\n",
    "an extension without end": b"5;" + b"a" * CHUNK_LINE_BYTES,
    "too long a line": b"5;" + b"a" * CHUNK_LINE_BYTES + b"\r\n",
    "a chunk longer than its size": b"5\r\nhello!\r\n",
    "a chunk that ends with LF": b"5\r\nhello\n0\r\n\r\n",
    "a trailer with a space": b"0\r\nA : 1\r\n\r\n",
    "a folded trailer": b"0\r\nA: 1\r\n b\r\n\r\n",
    "a bare LF in a trailer": b"0\r\nA: 1\n\r\n",
    "trailers too long": b"0\r\n" + b"A: 1\r\n" * (TRAILER_BYTES // 6 + 1),
    "whole trailers too long": b"0\r\nA: " + b"x" * TRAILER_BYTES + b"\r\n\r\n",
    "extensions too long together": b"1;%b\r\nx\r\n" % (b"a" * 200) * (EXTENSION_BYTES // 200 + 1),
    **{
        f"{name} behind the body": b"0\r\n%b: x\r\n\r\n" % name.encode()
        for name in ("Content-Length", "transfer-encoding", "Host", "Cookie", "X-Forwarded-For", "x-mesh-service")
    },
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
def test_what_is_malformed_is_refused_whole_or_in_pieces(sent):
    with pytest.raises(BrokenBody):
        Chunked().feed(sent)
    with pytest.raises(BrokenBody):
        decoded(CHUNKED, [sent[at : at + 1] for at in range(len(sent))])


@given(st.lists(st.binary(min_size=1, max_size=300)), st.integers(1, 64))
def test_what_is_framed_here_is_understood_here(pieces, size):
    sent = b"".join([chunk(piece) for piece in pieces]) + last_chunk(b"A: 1\r\n")

    body, reader = decoded(CHUNKED, [sent[at : at + size] for at in range(0, len(sent), size)])

    assert (body, reader.trailers, reader.done) == (b"".join(pieces), b"A: 1\r\n", True)
