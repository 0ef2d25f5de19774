"""Serializes heads and trailers as HEADERS frames, with CONTINUATION as needed. Source: RFC 9113, 8.2 and 8.3.

`scan.py` replaces these functions by their compiled twins if those were built. `prefix` is sent before the fields of a
block: `hpack.encoder.NO_TABLE`, or nothing.
"""

from collections.abc import Container

from nodeproxy.protocol.fields import pairs
from nodeproxy.protocol.http2.frames import header_frames
from nodeproxy.protocol.http2.hpack.encoder import field, pseudo
from nodeproxy.protocol.message import UNKNOWN, Request, Response
from nodeproxy.protocol.websocket import KEY, WEBSOCKET

# RFC 9113, 8.2.2: not allowed in HTTP/2. Received messages have lost them already.
_LEFT_OUT = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"te"))
_LEFT_OUT_OF_REQUESTS = _LEFT_OUT | {b"host"}  # which is :authority
_LEFT_OUT_OF_CONNECTS = _LEFT_OUT_OF_REQUESTS | {b"content-length", KEY}  # RFC 9110, 9.3.6; RFC 8441, 5
_CONNECT = pseudo(b":method", b"CONNECT") + field(b":protocol", WEBSOCKET)
_HTTP = pseudo(b":scheme", b"http")
_TRAILERS = field(b"te", b"trailers")


def request_headers(request: Request, added: bytes, stream: int, ended: bool, prefix: bytes = b"") -> bytes:
    """The frames of `request`, with the field lines `added` after its own. `ended` is whether no body follows."""
    if request.length == UNKNOWN:
        request.fields.drop_length()  # it remains if a policy has replaced the body
    block = [prefix, pseudo(b":method", request.method), _HTTP, pseudo(b":path", request.path)]
    if request.authority:  # RFC 9113, 8.3.1: not empty; a request of HTTP/1.0 may have none
        block.append(field(b":authority", request.authority))
    block += _fields(request.fields.block() + added, _LEFT_OUT_OF_REQUESTS)
    if request.takes_trailers:
        block.append(_TRAILERS)
    return header_frames(b"".join(block), stream, ended)


def connect_headers(request: Request, added: bytes, stream: int, prefix: bytes = b"") -> bytes:
    """The frames of `request`, which opens a WebSocket, as extended CONNECT (RFC 8441, 4); see `request_headers`."""
    block = [prefix, _CONNECT, _HTTP, pseudo(b":path", request.path), field(b":authority", request.authority)]
    block += _fields(request.fields.block() + added, _LEFT_OUT_OF_CONNECTS)
    return header_frames(b"".join(block), stream, False)


def response_headers(response: Response, added: bytes, stream: int, ended: bool, prefix: bytes = b"") -> bytes:
    """The frames of `response`, with the field lines `added` after its own."""
    if response.length == UNKNOWN:
        response.fields.drop_length()
    status = pseudo(b":status", b"%d" % response.status)
    return header_frames(
        b"".join([prefix, status, *_fields(response.fields.block() + added, _LEFT_OUT)]), stream, ended
    )


def trailers_headers(lines: bytes, stream: int, prefix: bytes = b"") -> bytes:
    """The frames of trailers, which are the end of their stream. `lines` are HTTP/1 field lines, as `Body.trailers`."""
    return header_frames(b"".join([prefix, *_fields(lines, _LEFT_OUT)]), stream, True)


def _fields(lines: bytes, left_out: Container[bytes]) -> list[bytes]:
    return [field(name, value) for name, value in pairs(lines) if name not in left_out]
