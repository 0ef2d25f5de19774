"""Bodies, cut into whatever pieces they arrive in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeproxy.protocol.http1.framing import (
    FEEDS_AHEAD,
    STEPS_MOST,
    BrokenBody,
    Chunked,
    Sized,
    UntilClose,
    chunk,
    decoder,
    last_chunk,
)
from tests.fakes.heads import CHUNKED, UNTIL_CLOSE

BODIES = {
    "empty": (CHUNKED, b"0\r\n\r\n", b"", b""),
    "one chunk": (CHUNKED, b"5\r\nhello\r\n0\r\n\r\n", b"hello", b""),
    "upper and lower case": (CHUNKED, b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2, b""),
    "leading zeros": (CHUNKED, b"005\r\nhello\r\n000\r\n\r\n", b"hello", b""),
    "extensions": (CHUNKED, b'5;a\r\nhello\r\n1 ; b="c"\r\n!\r\n0;d\r\n\r\n', b"hello!", b""),
    "trailers": (CHUNKED, b"1\r\nx\r\n0\r\nA: 1\r\nETag: b\r\n\r\n", b"x", b"A: 1\r\nETag: b\r\n"),
    "CRLF inside": (CHUNKED, b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n", b""),
    "blanks before an extension": (CHUNKED, b"3 \t;a\r\nabc\r\n0\r\n\r\n", b"abc", b""),
    "a chunk that looks like the end": (CHUNKED, b"6\r\n\r\n0\r\n\r\r\n0\r\n\r\n", b"\r\n0\r\n\r", b""),
    "a trailer beyond ASCII": (CHUNKED, b"0\r\nb:\xff\t\r\n\r\n", b"", b"b:\xff\t\r\n"),
    "sized": (5, b"hello", b"hello", b""),
}
PARTS = (b"1\r\n", b"2;a\r\n", b"0\r\n", b"a", b"\r\n", b"A: 1\r\n", b"\r", b"\n", b";", b"f", b"Host: a\r\n")


def of(length):
    return decoder(CHUNKED, until_close=True) if length == UNTIL_CLOSE else decoder(length)


def decoded(length, pieces):
    reader, body = of(length), b""
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


@pytest.mark.parametrize(("length", "sent", "body", "trailers"), BODIES.values(), ids=BODIES)
def test_what_is_still_missing_is_known_beforehand(length, sent, body, trailers):
    for at in range(len(sent)):
        got, reader = decoded(length, [sent[:at]] if at else [])

        assert [reader.completed_by(sent[at:end]) for end in range(at, len(sent))] == [False] * (len(sent) - at)
        assert reader.completed_by(sent[at:]) and reader.completed_by(sent[at:] + b"GET")
        assert got + reader.feed(sent[at:]) == body and reader.trailers == trailers  # asking has changed nothing


def test_no_more_is_decoded_beforehand_than_a_turn_has_time_for():
    few, many = b"1\r\na\r\n" * STEPS_MOST, b"1\r\na\r\n" * (STEPS_MOST * FEEDS_AHEAD)

    assert [Chunked().completed_by(data) for data in (few, many)] == [False, True]


def test_a_malformed_rest_is_left_to_its_reader():
    assert Chunked().completed_by(b"x") and UntilClose().completed_by(b"")


def test_a_body_until_close_ends_with_the_connection():
    body, reader = decoded(UNTIL_CLOSE, [b"a", b"b"])
    assert not reader.done

    reader.end()

    assert (body, reader.done) == (b"ab", True)


@pytest.mark.parametrize(("length", "kind"), [(CHUNKED, Chunked), (UNTIL_CLOSE, UntilClose), (0, Sized), (7, Sized)])
def test_the_decoder_is_the_one_that_the_length_asks_for(length, kind):
    assert type(of(length)) is kind


def test_data_is_given_as_soon_as_it_is_there():
    reader = Chunked()

    assert [reader.feed(piece) for piece in (b"5\r\nhe", b"l", b"lo\r", b"\n0\r\n")] == [b"he", b"l", b"lo", b""]


def test_a_body_of_no_bytes_is_over_before_anything_comes():
    assert decoder(0).done


def test_a_sized_body_that_ends_too_early_says_how_much_is_missing():
    reader = decoded(5, [b"ab"])[1]

    with pytest.raises(BrokenBody, match="3 bytes short"):
        reader.end()


def test_nothing_ends_a_body_until_close_but_its_sender():
    body, reader = decoded(UNTIL_CLOSE, [b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])

    assert body == b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
    assert (reader.done, reader.surplus, reader.trailers) == (False, b"", b"")


@given(st.lists(st.binary(min_size=1, max_size=300)), st.integers(1, 64))
def test_what_is_framed_here_is_understood_here(pieces, size):
    sent = b"".join([chunk(piece) for piece in pieces]) + last_chunk(b"A: 1\r\n")

    body, reader = decoded(CHUNKED, [sent[at : at + size] for at in range(0, len(sent), size)])

    assert (body, reader.trailers, reader.done) == (b"".join(pieces), b"A: 1\r\n", True)


@given(st.lists(st.sampled_from(PARTS) | st.binary(max_size=4), max_size=12))
def test_bytes_of_chance_are_one_body_or_refused_however_they_are_cut(pieces):
    sent = b"".join(pieces)

    outcomes = [outcome(cut) for cut in (pieces, [sent], [sent[at : at + 1] for at in range(len(sent))])]

    assert outcomes[0] == outcomes[1] == outcomes[2]


def outcome(pieces):
    reader, body = Chunked(), b""
    try:
        for piece in pieces:
            if reader.done:
                reader.surplus += piece
            else:
                body += reader.feed(piece)
    except BrokenBody:
        return None
    return body, reader.done, reader.trailers, reader.surplus
