"""Frames: what is received, and builders of what is sent. Source: RFC 9113, 4.1 and 6."""

import struct
from collections.abc import Iterable
from typing import NamedTuple

from nodeproxy.errors import ProxyError
from nodeproxy.protocol.http2.codes import (
    ACK,
    CONTINUATION,
    DATA,
    ENABLE_CONNECT_PROTOCOL,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_BYTES,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    MAX_WINDOW,
    PING,
    PROTOCOL_ERROR,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)
from nodeproxy.protocol.http2.errors import ConnectionBroken
from nodeproxy.protocol.message import Request, Response

SETTINGS_MOST = 32  # parameters in one frame; nghttp2's bound since CVE-2020-11080, of which 7 are defined
_HEADER = struct.Struct(">HBBBI")
_PAIR = struct.Struct(">HI")
_NUMBER = struct.Struct(">I")


class Trailers(NamedTuple):
    """Fields after a body."""

    lines: bytes
    """HTTP/1 field lines, each with its CRLF, with names in lower case."""


class Frame(NamedTuple):
    """A received frame. HEADERS and their CONTINUATION frames are one."""

    kind: int
    flags: int
    stream: int
    size: int
    """Of the payload as received, with padding: flow control counts it. Of HEADERS, that of the whole block."""
    payload: bytes | Request | Response | Trailers | ProxyError
    """The data of DATA without its padding, the message of HEADERS, else the payload as received, of a valid size.

    An error of the type `StreamBroken` ends the stream; any other error in place of a message is to be reported as a
    response.
    """
    said: bytes
    """The forwarding fields that were removed from a request, as HTTP/1 field lines after one LF.

    They are input for `forwarded.forwarded`. b"" if there were none.
    """


def header(size: int, kind: int, flags: int, stream: int) -> bytes:
    """The header of a frame whose payload has `size` bytes."""
    return _HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream)


def data_header(size: int, stream: int, ended: bool) -> bytes:
    """The header of DATA without padding; `size` is at most FRAME_BYTES."""
    return _HEADER.pack(size >> 8, size & 0xFF, DATA, END_STREAM if ended else 0, stream)


def header_frames(block: bytes, stream: int, ended: bool) -> bytes:
    """HEADERS, and CONTINUATION as needed, with a compressed block."""
    flags = END_STREAM if ended else 0
    if len(block) <= FRAME_BYTES:
        return header(len(block), HEADERS, flags | END_HEADERS, stream) + block
    frames, kind = [], HEADERS
    for at in range(0, len(block), FRAME_BYTES):
        piece = block[at : at + FRAME_BYTES]
        if at + FRAME_BYTES >= len(block):
            flags |= END_HEADERS
        frames += [header(len(piece), kind, flags, stream), piece]
        kind, flags = CONTINUATION, 0
    return b"".join(frames)


def settings(pairs: Iterable[tuple[int, int]]) -> bytes:
    """SETTINGS with pairs of identifier and value."""
    payload = b"".join([_PAIR.pack(*pair) for pair in pairs])
    return header(len(payload), SETTINGS, 0, 0) + payload


def settings_ack() -> bytes:
    """The acknowledgement of the peer's SETTINGS."""
    return header(0, SETTINGS, ACK, 0)


def ping(opaque: bytes, ack: bool = False) -> bytes:
    """PING with its 8 opaque bytes."""
    return header(8, PING, ACK if ack else 0, 0) + opaque


def goaway(last_stream: int, code: int, text: bytes = b"") -> bytes:
    """GOAWAY; `last_stream` is the highest one that was processed, `text` is for the peer's operator."""
    return header(8 + len(text), GOAWAY, 0, 0) + _NUMBER.pack(last_stream) + _NUMBER.pack(code) + text


def rst_stream(stream: int, code: int) -> bytes:
    """RST_STREAM with an error code."""
    return header(4, RST_STREAM, 0, stream) + _NUMBER.pack(code)


def window_update(stream: int, increment: int) -> bytes:
    """WINDOW_UPDATE of a stream, or of the connection (stream 0), by 1 to MAX_WINDOW bytes."""
    return header(4, WINDOW_UPDATE, 0, stream) + _NUMBER.pack(increment)


def parse_settings(payload: bytes) -> list[tuple[int, int]]:
    """Pairs of identifier and value, in order; unknown identifiers are among them. Source: RFC 9113, 6.5.2.

    Raises:
        ConnectionBroken: a value is out of its range, or there are more than SETTINGS_MOST pairs.
    """
    if len(payload) > SETTINGS_MOST * _PAIR.size:
        raise ConnectionBroken(ENHANCE_YOUR_CALM, f"SETTINGS with more than {SETTINGS_MOST} parameters")
    pairs: list[tuple[int, int]] = list(_PAIR.iter_unpack(payload))
    for name, value in pairs:
        if name in (ENABLE_PUSH, ENABLE_CONNECT_PROTOCOL) and value > 1:
            raise ConnectionBroken(PROTOCOL_ERROR, f"the setting {name} is {value}; it is 0 or 1")
        if name == INITIAL_WINDOW_SIZE and value > MAX_WINDOW:
            raise ConnectionBroken(FLOW_CONTROL_ERROR, f"SETTINGS_INITIAL_WINDOW_SIZE is {value}, above {MAX_WINDOW}")
        if name == MAX_FRAME_SIZE and not FRAME_BYTES <= value < 2**24:
            raise ConnectionBroken(PROTOCOL_ERROR, f"SETTINGS_MAX_FRAME_SIZE is {value}, not 16384 to 16777215")
    return pairs
