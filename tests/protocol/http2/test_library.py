"""Whole connections with the library h2 at the other end: what it sends is read, and what is sent it understands."""

import h2.config
import h2.connection
import h2.events
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.http2 import codes, frames
from nodeproxy.protocol.http2.reader import FrameReader
from nodeproxy.protocol.message import UNKNOWN, Request, Response
from tests.fakes.http2_blocks import LIMITS, POST

NAME = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20).map(lambda text: b"x-" + text.encode())
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60).map(lambda text: text.strip().encode())
FIELDS = st.lists(st.tuples(NAME, VALUE), max_size=10)


def library(client):
    made = h2.connection.H2Connection(h2.config.H2Configuration(client_side=client, header_encoding=None))
    made.initiate_connection()
    return made


def said(events, kind):
    """The fields of the events of a kind."""
    return [[tuple(pair) for pair in event.headers] for event in events if isinstance(event, kind)]


@given(st.lists(FIELDS, min_size=1, max_size=4))
def test_a_client_is_understood_and_understands(codec, exchanges):
    client, reader = library(client=True), FrameReader("requests", LIMITS, codec)
    (settings,) = reader.feed(client.data_to_send().removeprefix(codes.PREFACE))
    assert settings.kind == codes.SETTINGS and frames.parse_settings(settings.payload)
    client.receive_data(frames.settings([(codes.MAX_CONCURRENT_STREAMS, 100)]) + frames.settings_ack())
    for stream, fields in enumerate(exchanges):
        number = 2 * stream + 1
        client.send_headers(number, [*POST, *fields])
        client.send_data(number, b"abc", pad_length=7)
        client.send_headers(number, [(b"x-end", b"1")], end_stream=True)

        *_, head, body, end = reader.feed(client.data_to_send())
        assert (head.stream, body.payload, body.size, end.flags & codes.END_STREAM) == (number, b"abc", 11, 1)
        assert list(head.payload.fields.pairs()) == [(b"host", b"web.shop.mesh"), *fields]
        assert (head.payload.length, end.payload.lines) == (UNKNOWN, b"x-end: 1\r\n")

        lines = b"".join(b"%b: %b\r\n" % pair for pair in fields)
        events = client.receive_data(
            codec.response_headers(Response(103, Fields(lines), 0), b"", number, False)
            + codec.response_headers(Response(404, Fields(lines), UNKNOWN), b"", number, False)
            + frames.data_header(3, number, False) + b"abc"
            + codec.trailers_headers(b"Grpc-Status: 0\r\n", number)
        )  # fmt: skip
        assert said(events, h2.events.InformationalResponseReceived) == [[(b":status", b"103"), *fields]]
        assert said(events, h2.events.ResponseReceived) == [[(b":status", b"404"), *fields]]
        assert said(events, h2.events.TrailersReceived) == [[(b"grpc-status", b"0")]]
        assert [event.data for event in events if isinstance(event, h2.events.DataReceived)] == [b"abc"]


@given(st.lists(FIELDS, min_size=1, max_size=4))
def test_a_server_is_understood_and_understands(codec, exchanges):
    server, reader = library(client=False), FrameReader("responses", LIMITS, codec)
    server.receive_data(codes.PREFACE + frames.settings([]) + frames.window_update(0, 1000))
    for stream, fields in enumerate(exchanges):
        number = 2 * stream + 1
        lines = b"".join(b"%b: %b\r\n" % pair for pair in fields)
        request = Request(b"PUT", b"web.shop.mesh", b"/a?b", Fields(lines), 3)
        request.takes_trailers = True
        events = server.receive_data(
            codec.request_headers(request, b"Content-Length: 3\r\n", number, False)
            + frames.data_header(3, number, True) + b"abc"
        )  # fmt: skip
        assert said(events, h2.events.RequestReceived) == [[
            (b":method", b"PUT"), (b":scheme", b"http"), (b":path", b"/a?b"), (b":authority", b"web.shop.mesh"),
            *fields, (b"content-length", b"3"), (b"te", b"trailers"),
        ]]  # fmt: skip

        server.send_headers(number, [(b":status", b"200"), *fields])
        server.send_data(number, b"abc")
        server.send_headers(number, [(b"grpc-status", b"0")], end_stream=True)

        *_, head, body, end = reader.feed(server.data_to_send())
        assert (head.payload.status, list(head.payload.fields.pairs())) == (200, fields)
        assert (body.payload, end.payload.lines) == (b"abc", b"grpc-status: 0\r\n")


@pytest.mark.parametrize("code", [codes.NO_ERROR, codes.ENHANCE_YOUR_CALM])
def test_the_end_of_a_stream_and_of_a_connection_is_understood(code):
    client = library(client=True)
    client.send_headers(1, POST)

    (reset,) = client.receive_data(frames.settings([]) + frames.rst_stream(1, code))[1:]
    (gone,) = client.receive_data(frames.goaway(1, code, b"why"))

    assert (reset.stream_id, reset.error_code) == (1, code)
    assert (gone.last_stream_id, gone.error_code, gone.additional_data) == (1, code, b"why")
