"""Frames and messages that a reader makes of what the libraries hpack and hyperframe send."""

import hpack
import pytest

from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2 import codes, frames, scan
from nodeproxy.protocol.http2.reader import FrameReader

REQUEST = [
    (":method", "POST"), (":scheme", "http"), (":path", "/a?b=%20"), (":authority", "web.shop.mesh:80"),
    ("content-type", "application/grpc"), ("te", "trailers"), ("cookie", "a=b"), ("x-a", "1"), ("cookie", "c=d"),
    ("x-forwarded-for", "1.2.3.4"), ("x_real_ip", "1"),
]  # fmt: skip


def test_a_request_is_read_and_sent_on():
    encoder, reader = hpack.Encoder(), FrameReader("requests", HeadLimits())
    for _ in range(2):  # the second time from the dynamic table
        (frame,) = reader.feed(frames.header_frames(encoder.encode(REQUEST), 1, False))

        request = frame.payload
        assert (frame.kind, frame.stream, frame.said) == (codes.HEADERS, 1, b"\nx-forwarded-for: 1.2.3.4\r\n")
        assert (request.method, request.authority, request.path) == (b"POST", b"web.shop.mesh:80", b"/a?b=%20")
        assert request.fields.block() == (
            b"host: web.shop.mesh:80\r\ncontent-type: application/grpc\r\ncookie: a=b; c=d\r\nx-a: 1\r\n"
        )
        assert (request.length, request.takes_trailers, request.version) == (-1, True, b"2")

    sent = scan.request_headers(request, b"Via: 2 nodeproxy\r\n", 1, False)
    assert hpack.Decoder().decode(sent[9:]) == [
        (":method", "POST"), (":scheme", "http"), (":path", "/a?b=%20"), (":authority", "web.shop.mesh:80"),
        ("content-type", "application/grpc"), ("cookie", "a=b; c=d"), ("x-a", "1"), ("via", "2 nodeproxy"),
        ("te", "trailers"),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 9, 10, 30])
def test_a_response_with_body_and_trailers_in_pieces(size):
    encoder, reader = hpack.Encoder(), FrameReader("responses", HeadLimits())
    sent = b"".join((
        frames.settings([]), frames.header_frames(encoder.encode([(":status", "200"), ("date", "d")]), 1, False),
        frames.data_header(3, 1, False), b"abc", frames.header_frames(encoder.encode([("grpc-status", "0")]), 1, True),
    ))  # fmt: skip

    read = [frame for at in range(0, len(sent), size) for frame in reader.feed(sent[at : at + size])]

    assert reader.broken is None
    assert [frame.kind for frame in read] == [codes.SETTINGS, codes.HEADERS, codes.DATA, codes.HEADERS]
    assert (read[1].payload.status, read[1].payload.dated, read[2].payload) == (200, True, b"abc")
    assert read[3].payload == frames.Trailers(b"grpc-status: 0\r\n")


def test_what_violates_the_protocol_ends_reading():
    reader = FrameReader("requests", HeadLimits())

    read = reader.feed(frames.ping(b"12345678") + frames.header(8, codes.PUSH_PROMISE, 0, 1) + b"12345678")

    assert [frame.payload for frame in read] == [b"12345678"]
    assert reader.broken.code == codes.PROTOCOL_ERROR
    assert reader.feed(frames.ping(b"12345678")) == []
