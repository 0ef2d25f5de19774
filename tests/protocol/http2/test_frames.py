"""Frames of the library hyperframe are read as it means them, however they are cut; ours are read by it."""

from itertools import pairwise

import hyperframe.frame as library
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeproxy.protocol.http2 import codes, frames
from nodeproxy.protocol.http2.errors import ConnectionBroken
from nodeproxy.protocol.http2.frames import Trailers, parse_settings
from nodeproxy.protocol.http2.reader import FrameReader
from tests.fakes.http2_blocks import LIMITS, block, seen

STREAM = st.integers(1, 2**31 - 1)
NUMBER = st.integers(0, 2**32 - 1)
PADDING = st.none() | st.integers(0, 255)
EIGHT = st.binary(min_size=8, max_size=8)
TRAILERS = block((b"grpc-status", b"0"), (b"x-long", b"y" * 50))


def padded(frame, padding):
    """The frame with the flag and length of padding, if it is not None."""
    if padding is not None:
        frame.flags.add("PADDED")
        frame.pad_length = padding
    return frame


def data(stream, content, padding, ended):
    frame = padded(library.DataFrame(stream, content), padding)
    if ended:
        frame.flags.add("END_STREAM")
    size = len(content) + (0 if padding is None else padding + 1)
    flags = int(ended) | (0 if padding is None else codes.PADDED)
    return frame.serialize(), [(codes.DATA, flags, stream, size, content, b"")]


def headers(stream, padding, priority, cuts):
    """HEADERS and as many CONTINUATION as there are cuts."""
    edges = [0, *sorted(cuts), len(TRAILERS)]
    first, *others = [TRAILERS[start:end] for start, end in pairwise(edges)]
    frame = padded(library.HeadersFrame(stream, first), padding)
    flags = codes.END_STREAM | (0 if padding is None else codes.PADDED)
    frame.flags.add("END_STREAM")
    if priority is not None:
        frame.flags.add("PRIORITY")
        frame.depends_on, frame.stream_weight, frame.exclusive = (priority if priority != stream else 0), 7, True
        flags |= codes.PRIORITY_FLAG
    if not others:
        frame.flags.add("END_HEADERS")
        flags |= codes.END_HEADERS
    more = [library.ContinuationFrame(stream, each) for each in others]
    for last in more[-1:]:
        last.flags.add("END_HEADERS")
    lines = Trailers(b"grpc-status: 0\r\nx-long: %b\r\n" % (b"y" * 50))
    whole = b"".join(each.serialize() for each in (frame, *more))
    return whole, [(codes.HEADERS, flags, stream, len(TRAILERS), lines, b"")]


def raw(frame, payload, flags=0):
    return frame.serialize(), [(frame.type, flags, frame.stream_id, len(payload), payload, b"")]


def goaway(last, code, text):
    return raw(library.GoAwayFrame(0, last, code, text), number(last) + number(code) + text)


def priority(stream, on):
    return library.PriorityFrame(stream, depends_on=on if on != stream else 0).serialize(), []


def unknown(kind, stream, body):
    return frames.header(len(body), kind, 0xFF, stream) + body, []


def number(value):
    return value.to_bytes(4, "big")


FRAMES = st.one_of(
    st.builds(data, STREAM, st.binary(max_size=100), PADDING, st.booleans()),
    st.builds(headers, STREAM, PADDING, st.none() | STREAM, st.sets(st.integers(0, len(TRAILERS)), max_size=4)),
    st.builds(lambda stream, code: raw(library.RstStreamFrame(stream, code), number(code)), STREAM, NUMBER),
    st.builds(lambda stream, more: raw(library.WindowUpdateFrame(stream, more), number(more)),
              STREAM | st.just(0), st.integers(1, 2**31 - 1)),
    st.builds(lambda opaque: raw(library.PingFrame(0, opaque), opaque), EIGHT),
    st.builds(lambda pairs: raw(library.SettingsFrame(0, pairs), frames.settings(pairs.items())[9:]),
              st.dictionaries(st.integers(1, 6), NUMBER)),
    st.builds(goaway, STREAM, NUMBER, st.binary(max_size=20)),
    st.builds(priority, STREAM, STREAM),
    st.builds(unknown, st.integers(10, 255), STREAM | st.just(0), st.binary(max_size=20)),
)  # fmt: skip


@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(0, 2000), max_size=8))
def test_frames_are_read_however_they_are_cut(codec, sequence, cuts):
    sent = b"".join(each for each, _ in sequence)
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    reader = FrameReader("responses", LIMITS, codec)

    read = [each for start, end in pairwise(edges) for each in reader.feed(sent[start:end])]

    assert reader.broken is None
    assert [seen(frame) for frame in read] == [frame for _, expected in sequence for frame in expected]


def test_frames_are_read_byte_by_byte(codec):
    sent = data(1, b"abc", 3, True)[0] + headers(1, 2, 3, {4, 9})[0] + frames.settings([(4, 5)])
    reader = FrameReader("requests", LIMITS, codec)

    read = [frame.kind for at in range(len(sent)) for frame in reader.feed(sent[at : at + 1])]

    assert read == [codes.DATA, codes.HEADERS, codes.SETTINGS]


@pytest.mark.parametrize("bit", [0, 0x80])
def test_the_reserved_bit_is_ignored(codec, bit):
    sent = bytearray(frames.rst_stream(7, codes.CANCEL))
    sent[5] |= bit

    (frame,) = FrameReader("requests", LIMITS, codec).feed(bytes(sent))

    assert (frame.stream, frame.payload) == (7, b"\0\0\0\x08")


def parsed(sent):
    """All frames of `sent`, as the library reads them."""
    found = []
    while sent:
        frame, size = library.Frame.parse_frame_header(memoryview(sent[:9]))
        frame.parse_body(memoryview(sent[9 : 9 + size]))
        found.append(frame)
        sent = sent[9 + size :]
    return found


def test_the_library_reads_what_is_built():
    (each,) = parsed(frames.data_header(3, 5, True) + b"abc")
    assert (each.stream_id, each.flags, each.data) == (5, {"END_STREAM"}, b"abc")
    (each,) = parsed(frames.settings([(3, 100), (4, 2**31 - 1)]))
    assert (each.stream_id, each.flags, each.settings) == (0, set(), {3: 100, 4: 2**31 - 1})
    (each,) = parsed(frames.settings_ack())
    assert (each.flags, each.settings) == ({"ACK"}, {})
    (each,) = parsed(frames.ping(b"12345678"))
    assert (each.flags, each.opaque_data) == (set(), b"12345678")
    (each,) = parsed(frames.ping(b"12345678", ack=True))
    assert each.flags == {"ACK"}
    (each,) = parsed(frames.goaway(7, codes.ENHANCE_YOUR_CALM, b"why"))
    assert (each.last_stream_id, each.error_code, each.additional_data) == (7, 11, b"why")
    (each,) = parsed(frames.rst_stream(9, codes.CANCEL))
    assert (each.stream_id, each.error_code) == (9, 8)
    (each,) = parsed(frames.window_update(0, codes.MAX_WINDOW))
    assert (each.stream_id, each.window_increment) == (0, 2**31 - 1)


@pytest.mark.parametrize("size", [0, 1, codes.FRAME_BYTES, codes.FRAME_BYTES + 1, 3 * codes.FRAME_BYTES])
@pytest.mark.parametrize("ended", [True, False])
def test_a_block_is_cut_into_frames(size, ended):
    first, *others = parsed(frames.header_frames(b"x" * size, 3, ended))

    assert b"".join(each.data for each in (first, *others)) == b"x" * size
    assert all(len(each.data) <= codes.FRAME_BYTES and each.stream_id == 3 for each in (first, *others))
    assert [each.type for each in others] == [codes.CONTINUATION] * (max(size - 1, 0) // codes.FRAME_BYTES)
    assert ["END_HEADERS" in each.flags for each in (first, *others)] == [False] * len(others) + [True]
    assert [name for each in (first, *others) for name in each.flags if name == "END_STREAM"] == ["END_STREAM"] * ended


def test_settings_are_pairs_in_their_order():
    pairs = [(4, 2**31 - 1), (2, 0), (8, 1), (99, 2**32 - 1), (5, 2**24 - 1), (5, 16384), (4, 0)]

    assert parse_settings(frames.settings(pairs)[9:]) == pairs
    assert parse_settings(b"") == []


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([(codes.ENABLE_PUSH, 2)], codes.PROTOCOL_ERROR),
        ([(codes.ENABLE_CONNECT_PROTOCOL, 2)], codes.PROTOCOL_ERROR),  # RFC 8441, 3
        ([(codes.INITIAL_WINDOW_SIZE, 2**31)], codes.FLOW_CONTROL_ERROR),
        ([(codes.MAX_FRAME_SIZE, 16383)], codes.PROTOCOL_ERROR),
        ([(codes.MAX_FRAME_SIZE, 2**24)], codes.PROTOCOL_ERROR),
        ([(99, 0)] * 33, codes.ENHANCE_YOUR_CALM),
    ],
)
def test_a_setting_out_of_its_range_is_refused(pairs, code):  # RFC 9113, 6.5.2
    with pytest.raises(ConnectionBroken) as caught:
        parse_settings(frames.settings(pairs)[9:])

    assert caught.value.code == code
