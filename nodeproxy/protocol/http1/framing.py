"""Framing of bodies: decoders that extract a body from received bytes and find its end.

A decoder is fed until it is `done`; bytes beyond the end are its `surplus`. An error is final. Source: RFC 9112, 6
and 7.
"""

import re
from collections.abc import Callable
from typing import Protocol

from nodeproxy.protocol.http1 import grammar
from nodeproxy.protocol.http1.scan import plain_chunks
from nodeproxy.protocol.message import UNKNOWN

CHUNK_LINE_BYTES = 256  # of size and extensions; extensions are dropped (RFC 9112, 7.1.1)
EXTENSION_BYTES = (
    16 * 1024
)  # of all extensions of a body: one-byte chunks must not carry a second body (CVE-2023-39326)
TRAILER_BYTES = 16 * 1024
STEPS_MOST = 512  # of one `feed`: 64 KiB of one-byte chunks are 10,900, and a step takes up to 2 us
FEEDS_AHEAD = 16  # of what a client that has left sent before: 8,192 chunks, 16 ms where Python decodes them
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15}+)((?:[ \t]*+;[\t\x20-\x7e\x80-\xff]*+)?)")
_CHUNK_LINE_OF_ENDPOINT = re.compile(rb"([0-9A-Fa-f]{1,15}+)([ \t]*+(?:;[\t\x20-\x7e\x80-\xff]*+)?)")
_CHUNK_LINE_BEGUN = re.compile(rb"[0-9A-Fa-f]{1,15}+[ \t]*+(?:;[\t\x20-\x7e\x80-\xff]*+)?")


class BrokenBody(ValueError):
    """The received bytes do not match the announced framing."""


class Decoder(Protocol):
    """Takes received bytes and returns the bytes of the body among them."""

    done: bool
    waiting: bool
    """Whether it holds bytes not yet decoded: call `feed(b"")` before receiving more."""
    surplus: bytes
    trailers: bytes

    def feed(self, data: bytes) -> bytes:
        """The next bytes of the body; may be empty before the end.

        Raises:
            BrokenBody: the framing is malformed.
        """
        ...

    def completed_by(self, data: bytes) -> bool:
        """Whether the body is complete if these bytes follow and no more; nothing changes.

        True as well where it is malformed, or takes too long to say.
        """
        ...

    def end(self) -> None:
        """The sender has closed its side.

        Raises:
            BrokenBody: the body is incomplete.
        """
        ...


class Sized:
    """A body with a Content-Length."""

    __slots__ = ("_left", "done", "surplus", "trailers", "waiting")

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0
        self.waiting = False
        self.surplus = self.trailers = b""

    def feed(self, data: bytes) -> bytes:
        """See Decoder."""
        size = len(data)
        if size < self._left:
            self._left -= size
            return data
        self.done = True
        if size > self._left:
            data, self.surplus = data[: self._left], data[self._left :]
        return data

    def completed_by(self, data: bytes) -> bool:
        """See Decoder."""
        return len(data) >= self._left

    def end(self) -> None:
        """See Decoder."""
        if not self.done:
            raise BrokenBody(f"{self._left} bytes short of its Content-Length")


class UntilClose:
    """The body of a response that ends when the endpoint closes the connection."""

    __slots__ = ("done", "surplus", "trailers", "waiting")

    def __init__(self) -> None:
        self.done = self.waiting = False
        self.surplus = self.trailers = b""

    def feed(self, data: bytes) -> bytes:
        """See Decoder."""
        return data

    def completed_by(self, data: bytes) -> bool:
        """See Decoder."""
        return True

    def end(self) -> None:
        """See Decoder."""
        self.done = True


class Chunked:
    """The chunked transfer coding, without its extensions. Source: RFC 9112, 7.1.

    `lenient` accepts white space after a chunk size: for responses only, whose chunks are framed anew for the client.
    """

    __slots__ = ("_at", "_extensions", "_held", "_left", "_line", "_state", "done", "surplus", "trailers", "waiting")

    def __init__(self, lenient: bool = False) -> None:
        self._line = _CHUNK_LINE_OF_ENDPOINT if lenient else _CHUNK_LINE
        self._state: State = Chunked._size_line  # unbound: a bound method would make a reference cycle
        self._held, self._at = b"", 0  # received bytes, and how many are decoded: sliced once per feed, not per chunk
        self._left = 0
        self._extensions = 0
        self.done = self.waiting = False
        self.surplus = self.trailers = b""

    def feed(self, data: bytes) -> bytes:
        """See Decoder."""
        self._held = self._held[self._at :] + data
        self._at = steps = 0
        pieces: list[bytes] = []
        while steps < STEPS_MOST and not self.done:
            taken = self._state(self, pieces, STEPS_MOST - steps)
            if not taken:
                break
            steps += taken
        self.waiting = steps >= STEPS_MOST and not self.done
        if not self.waiting:
            self._held, self._at = self._held[self._at :], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def completed_by(self, data: bytes) -> bool:
        """See Decoder."""
        rest = Chunked()
        rest._line, rest._state, rest._extensions = self._line, self._state, self._extensions
        rest._held, rest._at, rest._left = self._held, self._at, self._left
        try:
            for _ in range(FEEDS_AHEAD):
                rest.feed(data)
                if not rest.waiting:
                    return rest.done
                data = b""
        except BrokenBody:
            pass
        return True

    def end(self) -> None:
        """See Decoder."""
        if not self.done:
            raise BrokenBody("ended before its last chunk")

    # A state decodes from `_held` in at most `most` steps and returns how many it took; 0 if it needs more bytes.

    def _size_line(self, pieces: list[bytes], most: int) -> int:
        plain, at, count = plain_chunks(self._held, self._at, most)
        if count:
            self._at = at
            pieces.append(plain)
            return count
        end = self._held.find(b"\r\n", self._at, self._at + CHUNK_LINE_BYTES + 2)
        if end < 0:
            begun = self._held[self._at : self._at + CHUNK_LINE_BYTES + 2].removesuffix(b"\r")
            if len(begun) > CHUNK_LINE_BYTES or (begun and _CHUNK_LINE_BEGUN.fullmatch(begun) is None):
                raise BrokenBody(f"a chunk's first line is malformed or longer than {CHUNK_LINE_BYTES} bytes")
            return 0
        match = self._line.fullmatch(self._held, self._at, end)
        if match is None:
            raise BrokenBody("a chunk's size is not a hexadecimal number")
        self._extensions += len(match[2])
        if self._extensions > EXTENSION_BYTES:
            raise BrokenBody(f"more than {EXTENSION_BYTES} bytes of chunk extensions")
        self._left, self._at = int(match[1], 16), end + 2
        self._state = Chunked._data if self._left else Chunked._trailer
        return 1

    def _data(self, pieces: list[bytes], _most: int) -> int:
        piece = self._held[self._at : self._at + self._left]
        if not piece:
            return 0
        pieces.append(piece)
        self._left -= len(piece)
        self._at += len(piece)
        if self._left == 0:
            self._state = Chunked._data_end
        return 1

    def _data_end(self, _pieces: list[bytes], _most: int) -> int:
        line_end = self._held[self._at : self._at + 2]
        if not b"\r\n".startswith(line_end):
            raise BrokenBody("a chunk is longer than its size")
        if len(line_end) < 2:
            return 0
        self._at += 2
        self._state = Chunked._size_line
        return 1

    def _trailer(self, _pieces: list[bytes], _most: int) -> int:
        section = self._held[self._at :]
        end = 0 if section.startswith(b"\r\n") else section.find(b"\r\n\r\n") + 2
        if end == 1:  # not found
            # A section of maximal length may be followed by the CR of the empty line.
            if len(section) > TRAILER_BYTES + 1 or grammar.BEGINNING.fullmatch(section) is None:
                raise BrokenBody("trailer fields that are too long or malformed")
            return 0
        trailers = section[:end]
        if end > TRAILER_BYTES or grammar.FIELDS.fullmatch(trailers) is None or grammar.NO_TRAILER.search(trailers):
            raise BrokenBody("trailer fields that are too long, malformed or not allowed behind a body")
        self.trailers, self.surplus = trailers, section[end + 2 :]
        self._at = len(self._held)
        self.done = True
        return 0


State = Callable[[Chunked, list[bytes], int], int]


def decoder(length: int, until_close: bool = False, lenient: bool = False) -> Decoder:
    """The decoder for a body of this length. A body of UNKNOWN length is chunked, or delimited by close.

    `Chunked` describes `lenient`.
    """
    if length != UNKNOWN:
        return Sized(length)
    return UntilClose() if until_close else Chunked(lenient)


def chunk(data: bytes) -> bytes:
    """`data` as one chunk. `data` must not be empty: an empty chunk ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: bytes) -> bytes:
    """The last chunk of a body, with its trailer section."""
    return b"0\r\n%b\r\n" % trailers
