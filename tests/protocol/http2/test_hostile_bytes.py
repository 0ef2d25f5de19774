"""Whatever bytes come, however they are cut: the Python version reads the same from them in one piece."""

from itertools import pairwise

import hpack
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2 import codes, frames, plain
from nodeproxy.protocol.http2.reader import FrameReader
from tests.fakes.http2_blocks import GET, OK, entries, seen

LIMITS = (HeadLimits(), HeadLimits(head_bytes=300, fields=6, line_bytes=40))
FIELDS = (
    (b"te", b"trailers"), (b"cookie", b"a=b"), (b"cookie", b"c=d"), (b"x-forwarded-for", b"1.2.3.4"),
    (b"x_real_ip", b"1"), (b"x-mesh-service", b"a.b"), (b"traceparent", b"00-1"), (b"content-length", b"3"),
    (b"content-length", b"0"), (b"expect", b"100-continue"), (b"date", b"d"), (b"x-mesh-error", b"e"),
    (b"host", b"web.shop.mesh"),
    (b"content-type", b"application/grpc"), (b"x-long", b"y" * 200), (b"x-long", b"z" * 4000), (b"x-empty", b""),
    (b"x-bad", b"1 "), (b"X-Bad", b"1"), (b"connection", b"close"), (b"grpc-status", b"0"), (b":path", b"/again"),
    (b"max-forwards", b"3"), (b"x-obs", b"\xff\t\x80"), (b"authorization", b"x"),
)  # fmt: skip
STARTS = (
    GET,
    OK,
    (),
    ((b":method", b"OPTIONS"), *GET[1:]),
    ((b":status", b"204"),),
    ((b":method", b"CONNECT"), GET[3]),
)
OTHERS = (
    frames.data_header(3, 1, False) + b"abc", frames.data_header(0, 3, True), frames.window_update(1, 5),
    frames.window_update(0, codes.MAX_WINDOW), frames.ping(b"12345678"), frames.settings([(4, 5)]),
    frames.settings_ack(), frames.rst_stream(1, codes.CANCEL), frames.goaway(1, 0, b"bye"),
    frames.header(3, codes.DATA, codes.PADDED, 1) + b"\1a\0",
    frames.header(5, codes.PRIORITY, 0, 7) + bytes(5), frames.header(1, 99, 0, 1) + b"x",
)  # fmt: skip
heads = st.tuples(
    st.sampled_from(STARTS), st.lists(st.sampled_from(FIELDS), max_size=5), st.booleans(), st.integers(0, 40),
    st.none() | st.integers(0, 4096),
)  # fmt: skip
changes = st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=2)


def joined(parts):
    """The bytes of frames; heads are encoded with one table."""
    encoder, sent = hpack.Encoder(), []
    for part in parts:
        if isinstance(part, bytes):
            sent.append(part)
            continue
        start, fields, ended, cut, size = part
        if size is not None:
            encoder.header_table_size = size
        block = encoder.encode([*start, *fields], huffman=ended)
        if cut and cut < len(block):
            flags = codes.END_STREAM if ended else 0
            sent += [frames.header(cut, codes.HEADERS, flags, 1), block[:cut]]
            sent += [frames.header(len(block) - cut, codes.CONTINUATION, codes.END_HEADERS, 1), block[cut:]]
        else:
            sent.append(frames.header_frames(block, 1, ended))
    return b"".join(sent)


def outcome(reader, pieces):
    """All that a reader makes of what it is fed."""
    read = [seen(frame) for piece in pieces for frame in reader.feed(piece)]
    broken = reader.broken
    return read, broken and (broken.code, str(broken)), broken or entries(reader._table)


@settings(max_examples=250)
@example([(GET, [FIELDS[0], FIELDS[13]], False, 0, None)] * 2, [], [20], "requests")
@given(
    st.lists(heads | st.sampled_from(OTHERS), min_size=1, max_size=6), changes,
    st.lists(st.integers(0, 600), max_size=4), st.sampled_from(["requests", "responses"]),
)  # fmt: skip
def test_cut_and_changed_bytes_are_read_as_in_one_piece(codec, parts, changed, cuts, receives):
    sent = bytearray(joined(parts))
    for at, byte in changed:
        sent[at % len(sent)] = byte
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    pieces = [bytes(sent[start:end]) for start, end in pairwise(edges)]
    for limits in LIMITS:
        expected = outcome(FrameReader(receives, limits, plain), [bytes(sent)])
        read = outcome(FrameReader(receives, limits, codec), pieces)

        assert read[:2] == expected[:2]
        assert read[1] or read[2] == expected[2]


@settings(max_examples=200)
@given(st.binary(max_size=300), st.integers(1, 50))
def test_bytes_of_chance_are_read_as_in_one_piece(codec, sent, size):
    pieces = [sent[at : at + size] for at in range(0, len(sent), size)]

    read = outcome(FrameReader("requests", LIMITS[0], codec), pieces)

    assert read[:2] == outcome(FrameReader("requests", LIMITS[0], plain), [sent])[:2]
