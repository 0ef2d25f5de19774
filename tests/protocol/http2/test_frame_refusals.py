"""Frames that end a connection, and which error code they end it with."""

import pytest

from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2 import codes, frames
from nodeproxy.protocol.http2.errors import ConnectionBroken, MalformedRequest, StreamBroken
from nodeproxy.protocol.http2.reader import FrameReader
from tests.fakes.http2_blocks import GET, LIMITS, block

HEAD = block(*GET)
BEGUN = frames.header(len(HEAD), codes.HEADERS, 0, 1) + HEAD
PING = frames.ping(b"12345678")


def frame(kind, flags, stream, payload=b""):
    return frames.header(len(payload), kind, flags, stream) + payload


# RFC 9113, by section.
BROKEN = {
    "4.2, a frame above the limit": (frames.header(codes.FRAME_BYTES + 1, 0, 0, 1), codes.FRAME_SIZE_ERROR),
    "4.2, an unknown frame above the limit": (frames.header(2**24 - 1, 99, 0, 1), codes.FRAME_SIZE_ERROR),
    "4.3, a block that is malformed": (frame(1, 4, 1, b"\x80"), codes.COMPRESSION_ERROR),
    "4.3, PING within a block": (BEGUN + PING, codes.PROTOCOL_ERROR),
    "4.3, HEADERS within a block": (BEGUN + BEGUN, codes.PROTOCOL_ERROR),
    "4.3, CONTINUATION of another stream": (BEGUN + frame(9, 4, 3), codes.PROTOCOL_ERROR),
    "5.5, an unknown frame within a block": (BEGUN + frame(99, 0, 1), codes.PROTOCOL_ERROR),
    "6.1, DATA of the connection": (frame(0, 0, 0, b"x"), codes.PROTOCOL_ERROR),
    "6.1, padding as long as DATA": (frame(0, 8, 1, b"\x03ab"), codes.PROTOCOL_ERROR),
    "6.1, padded DATA of no bytes": (frame(0, 8, 1), codes.FRAME_SIZE_ERROR),
    "6.2, HEADERS of the connection": (frame(1, 4, 0, HEAD), codes.PROTOCOL_ERROR),
    "6.2, padding longer than HEADERS": (frame(1, 12, 1, b"\xff" + HEAD), codes.PROTOCOL_ERROR),
    "6.2, padding within the priority": (frame(1, 0x2C, 1, b"\x01" + bytes(5)), codes.PROTOCOL_ERROR),
    "6.2, no priority": (frame(1, 0x24, 1, bytes(4)), codes.FRAME_SIZE_ERROR),
    "6.3, PRIORITY of the connection": (frame(2, 0, 0, bytes(5)), codes.PROTOCOL_ERROR),
    "6.3, PRIORITY of four bytes": (frame(2, 0, 1, bytes(4)), codes.FRAME_SIZE_ERROR),
    "6.4, RST_STREAM of the connection": (frame(3, 0, 0, bytes(4)), codes.PROTOCOL_ERROR),
    "6.4, RST_STREAM of five bytes": (frame(3, 0, 1, bytes(5)), codes.FRAME_SIZE_ERROR),
    "6.5, SETTINGS of a stream": (frame(4, 0, 1), codes.PROTOCOL_ERROR),
    "6.5, SETTINGS of seven bytes": (frame(4, 0, 0, bytes(7)), codes.FRAME_SIZE_ERROR),
    "6.5, an acknowledgement with settings": (frame(4, 1, 0, bytes(6)), codes.FRAME_SIZE_ERROR),
    "6.6, PUSH_PROMISE": (frame(5, 4, 1, bytes(4) + HEAD), codes.PROTOCOL_ERROR),
    "6.7, PING of a stream": (frame(6, 0, 1, bytes(8)), codes.PROTOCOL_ERROR),
    "6.7, PING of seven bytes": (frame(6, 0, 0, bytes(7)), codes.FRAME_SIZE_ERROR),
    "6.8, GOAWAY of a stream": (frame(7, 0, 1, bytes(8)), codes.PROTOCOL_ERROR),
    "6.8, GOAWAY of seven bytes": (frame(7, 0, 0, bytes(7)), codes.FRAME_SIZE_ERROR),
    "6.9, WINDOW_UPDATE of three bytes": (frame(8, 0, 0, bytes(3)), codes.FRAME_SIZE_ERROR),
    "6.10, CONTINUATION of the connection": (frame(9, 4, 0), codes.PROTOCOL_ERROR),
    "6.10, CONTINUATION without HEADERS": (frame(9, 4, 1, HEAD), codes.PROTOCOL_ERROR),
    "6.10, CONTINUATION behind a complete block": (frame(1, 4, 1, HEAD) + frame(9, 4, 1), codes.PROTOCOL_ERROR),
}


@pytest.mark.parametrize(("received", "code"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("receives", ["requests", "responses"])
def test_a_frame_that_violates_the_protocol_ends_the_connection(codec, receives, received, code):
    reader = FrameReader(receives, LIMITS, codec)

    read = reader.feed(PING + received + PING)

    assert isinstance(reader.broken, ConnectionBroken)
    assert (reader.broken.code, read[0].payload) == (code, b"12345678")
    assert [each.kind for each in read if each.kind == codes.PING] == [codes.PING]  # none behind it
    assert reader.feed(PING) == []


def test_a_frame_above_the_limit_is_refused_by_its_header(codec):
    reader = FrameReader("requests", LIMITS, codec)

    reader.feed(frames.header(codes.FRAME_BYTES + 1, codes.DATA, 0, 1)[:8])
    assert reader.broken is None
    reader.feed(b"\x01")
    assert reader.broken.code == codes.FRAME_SIZE_ERROR


def test_a_frame_of_the_largest_size_is_read(codec):
    reader = FrameReader("requests", LIMITS, codec)

    (read,) = reader.feed(frames.data_header(codes.FRAME_BYTES, 1, False) + b"x" * codes.FRAME_BYTES)

    assert read.payload == b"x" * codes.FRAME_BYTES


@pytest.mark.parametrize(
    "received",
    [frame(2, 0, 5, b"\x80\0\0\5\x10"), frame(1, 0x24, 5, b"\0\0\0\5\x10" + HEAD)], ids=["PRIORITY", "HEADERS"],
)  # fmt: skip
def test_a_stream_that_depends_on_itself_is_ended_and_no_other(codec, received):  # RFC 7540, 5.3.1
    reader = FrameReader("requests", LIMITS, codec)

    first, second = reader.feed(received + frame(1, 5, 7, HEAD))

    assert isinstance(first.payload, MalformedRequest) and isinstance(first.payload, StreamBroken)
    assert (first.stream, first.payload.code) == (5, codes.PROTOCOL_ERROR)
    assert second.payload.path == b"/"


def test_continuations_without_end_are_refused(codec):  # CVE-2024-27316
    for limits, most in ((LIMITS, 13), (HeadLimits(head_bytes=1024), 9)):
        reader = FrameReader("requests", limits, codec)
        reader.feed(BEGUN + frame(codes.CONTINUATION, 0, 1) * most)
        assert reader.broken is None

        reader.feed(frame(codes.CONTINUATION, 0, 1))
        assert reader.broken.code == codes.ENHANCE_YOUR_CALM


def test_a_block_larger_than_any_head_is_refused_before_its_end(codec):
    reader = FrameReader("requests", LIMITS, codec)
    piece = frame(codes.CONTINUATION, 0, 1, b"x" * codes.FRAME_BYTES)

    reader.feed(frame(codes.HEADERS, 0, 1, b"x" * codes.FRAME_BYTES) + piece * 4)
    assert reader.broken is None
    reader.feed(frame(codes.CONTINUATION, 0, 1, b"x"))
    assert reader.broken.code == codes.ENHANCE_YOUR_CALM
