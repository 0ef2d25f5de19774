"""Reads frames from received bytes, and messages from their header blocks. Source: RFC 9113, 4, 5.5 and 6.

It refuses what a frame alone can violate. Streams, windows and the number of frames are the connection's concern.
"""

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, Protocol

from nodeproxy.errors import HeadTooLarge, ProxyError, ResponseHeadersTooLarge
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2 import scan
from nodeproxy.protocol.http2.codes import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FRAME_BYTES,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADER_BYTES,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
    PRIORITY_FLAG,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)
from nodeproxy.protocol.http2.errors import ConnectionBroken, MalformedRequest, MalformedResponse
from nodeproxy.protocol.http2.fields_in import PSEUDO_MOST
from nodeproxy.protocol.http2.frames import Frame, Trailers
from nodeproxy.protocol.http2.hpack.decoder import decoded
from nodeproxy.protocol.http2.hpack.static_table import Pair
from nodeproxy.protocol.http2.hpack.table import IndexedFields
from nodeproxy.protocol.http2.request_in import read_request
from nodeproxy.protocol.http2.response_in import read_response
from nodeproxy.protocol.http2.trailers_in import read_trailers
from nodeproxy.protocol.message import Request, Response

# CVE-2024-27316: of one block, besides those that a block of maximal size needs. nghttp2 allows 8 in all.
CONTINUATIONS_MOST = 8
_EXTRA_BLOCK_BYTES = FRAME_BYTES  # more than a list of head_bytes is read, to refuse a single request and not the rest
_PRIORITY_BYTES = 5
_SIZES = {PRIORITY: _PRIORITY_BYTES, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
_OF_STREAMS = (DATA, HEADERS, PRIORITY, RST_STREAM, CONTINUATION)
_OF_CONNECTION = (SETTINGS, PING, GOAWAY)


class Implementation(Protocol):
    """What reads plain frames: the module `scan`, or one that it chooses from. See `plain`."""

    @property
    def Table(self) -> Callable[[], IndexedFields]: ...

    def read_plain(
        self,
        _table: Any,  # noqa: ANN401  of its own kind
        data: bytes,
        at: int,
        requests: bool,
        limits: HeadLimits,
        frames: list[Frame],
        /,
    ) -> int: ...


class _Begun(NamedTuple):
    """A header block whose last frame has not arrived."""

    flags: int
    stream: int
    parts: list[bytes]
    depends_on_itself: bool
    """By its priority fields (RFC 7540, 5.3.1)."""


class FrameReader:
    """Frames from the bytes that one side of a connection receives.

    Bytes of an incomplete frame are held: at most one frame, and one header block.
    """

    def __init__(
        self, receives: Literal["requests", "responses"], limits: HeadLimits, implementation: Implementation = scan
    ) -> None:
        self.broken: ConnectionBroken | None = None
        """Set when the bytes violate the protocol. The frames before were returned; nothing is read afterwards."""
        self._requests: Final = receives == "requests"
        self._limits = limits
        self._table = implementation.Table()
        self._read_plain: Final = implementation.read_plain
        self._held = b""
        self._begun: _Begun | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes. The preface of a client is not part of `data`."""
        if self.broken is not None:
            return []
        frames: list[Frame] = []
        data = self._held + data if self._held else data
        try:
            self._held = data[self._read(data, frames) :]
        except ConnectionBroken as error:
            self.broken = error.with_traceback(None)  # which would keep `data`
            self._held, self._begun = b"", None
        return frames

    def _read(self, data: bytes, frames: list[Frame]) -> int:
        """Append the frames in `data`; returns the offset of the incomplete one, or the end."""
        at = 0
        while True:
            if self._begun is None:
                at = self._read_plain(self._table, data, at, self._requests, self._limits, frames)
            start = at + HEADER_BYTES
            if start > len(data):
                return at
            size = int.from_bytes(data[at : at + 3], "big")
            if size > FRAME_BYTES:
                raise ConnectionBroken(FRAME_SIZE_ERROR, f"a frame of {size} bytes; the limit is {FRAME_BYTES}")
            if start + size > len(data):
                return at
            stream = int.from_bytes(data[at + 5 : start], "big") & 0x7FFFFFFF
            at = start + size
            self._frame(data[start - 6], data[start - 5], stream, data[start:at], frames)

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes, frames: list[Frame]) -> None:
        _check(kind, flags, stream, len(payload))
        if (self._begun is not None) != (kind == CONTINUATION):
            raise ConnectionBroken(
                PROTOCOL_ERROR, f"a frame of kind {kind} within a header block, or CONTINUATION alone"
            )
        if kind == HEADERS:
            self._headers(flags, stream, payload, frames)
        elif kind == CONTINUATION:
            self._continuation(flags, stream, payload, frames)
        elif kind == DATA:
            frames.append(Frame(DATA, flags, stream, len(payload), _unpadded(flags, payload, 0), b""))
        elif kind == PRIORITY:
            if _depends_on(payload, stream):
                frames.append(Frame(PRIORITY, flags, stream, len(payload), self._itself(), b""))
        elif kind <= CONTINUATION:  # RFC 9113, 5.5: unknown ones are ignored
            frames.append(Frame(kind, flags, stream, len(payload), payload, b""))

    def _headers(self, flags: int, stream: int, payload: bytes, frames: list[Frame]) -> None:
        has_priority = bool(flags & PRIORITY_FLAG)
        part = _unpadded(flags, payload, _PRIORITY_BYTES if has_priority else 0)
        depends = has_priority and _depends_on(part, stream)
        part = part[_PRIORITY_BYTES:] if has_priority else part
        begun = _Begun(flags, stream, [part], depends)
        if flags & END_HEADERS:
            frames.append(self._message(begun))
        else:
            self._begun = begun

    def _continuation(self, flags: int, stream: int, payload: bytes, frames: list[Frame]) -> None:
        begun = self._begun
        if begun is None or begun.stream != stream:
            raise ConnectionBroken(PROTOCOL_ERROR, f"CONTINUATION of stream {stream} within another header block")
        begun.parts.append(payload)
        most = self._limits.head_bytes + _EXTRA_BLOCK_BYTES
        if sum(map(len, begun.parts)) > most or len(begun.parts) - 1 > CONTINUATIONS_MOST + most // FRAME_BYTES:
            raise ConnectionBroken(ENHANCE_YOUR_CALM, f"a header block of more than {most} bytes, or too many frames")
        if flags & END_HEADERS:
            self._begun = None
            frames.append(self._message(begun))

    def _message(self, begun: _Begun) -> Frame:
        """The frame of a complete header block, which is decoded in any case: the table depends on it."""
        block = b"".join(begun.parts)
        pairs = decoded(block, self._table, self._limits.head_bytes, self._limits.fields + PSEUDO_MOST)
        payload: Request | Response | Trailers | ProxyError
        said = b""
        if begun.depends_on_itself:
            payload = self._itself()
        elif pairs is None:
            payload = self._too_large()
        else:
            try:
                payload, said = self._understood(pairs, bool(begun.flags & END_STREAM))
            except ProxyError as error:
                payload = error.with_traceback(None)
        return Frame(HEADERS, begun.flags, begun.stream, len(block), payload, said)

    def _understood(self, pairs: list[Pair], ended: bool) -> tuple[Request | Response | Trailers, bytes]:
        if not any(name.startswith(b":") for name, _ in pairs):
            return read_trailers(pairs, MalformedRequest if self._requests else MalformedResponse), b""
        if self._requests:
            return read_request(pairs, ended, self._limits)
        return read_response(pairs, ended, self._limits), b""

    def _itself(self) -> ProxyError:
        error = MalformedRequest if self._requests else MalformedResponse
        return error("a stream that depends on itself (RFC 7540, 5.3.1)")

    def _too_large(self) -> ProxyError:
        error = HeadTooLarge if self._requests else ResponseHeadersTooLarge
        return error(f"a head of more than {self._limits.head_bytes} bytes or {self._limits.fields} fields")


def _check(kind: int, flags: int, stream: int, size: int) -> None:
    """Raises ConnectionBroken for a frame that is not allowed with this stream and this size."""
    if kind == PUSH_PROMISE:
        raise ConnectionBroken(PROTOCOL_ERROR, "PUSH_PROMISE, which no setting allows")
    if (kind in _OF_STREAMS and not stream) or (kind in _OF_CONNECTION and stream):
        raise ConnectionBroken(PROTOCOL_ERROR, f"a frame of kind {kind} with the stream {stream}")
    if kind == SETTINGS:
        wrong = size % 6 != 0 or (flags & ACK and size)
    else:
        wrong = size < 8 if kind == GOAWAY else size != _SIZES.get(kind, size)
    if wrong:
        raise ConnectionBroken(FRAME_SIZE_ERROR, f"a frame of kind {kind} with {size} bytes")


def _unpadded(flags: int, payload: bytes, least: int) -> bytes:
    """The payload of DATA or HEADERS without its padding; `least` is the size of the fields that it begins with."""
    padding = 0
    if flags & PADDED:
        if not payload:
            raise ConnectionBroken(FRAME_SIZE_ERROR, "a padded frame without the length of its padding")
        padding, payload = payload[0], payload[1:]
    if len(payload) < least:
        raise ConnectionBroken(FRAME_SIZE_ERROR, "HEADERS without the priority that they announce")
    if padding > len(payload) - least:
        raise ConnectionBroken(PROTOCOL_ERROR, "padding longer than its frame")
    return payload[: len(payload) - padding] if padding else payload


def _depends_on(payload: bytes, stream: int) -> bool:
    return int.from_bytes(payload[:4], "big") & 0x7FFFFFFF == stream
