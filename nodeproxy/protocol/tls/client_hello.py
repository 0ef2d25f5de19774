"""The server name in the first bytes of a TLS connection, from TLS 1.0 to 1.3. Nothing is decrypted or changed.

A hello with an encrypted inner one (ECH) is read by its outer name: the inner one is for the holder of the key. Values
that a client makes up (GREASE, RFC 8701) have unknown types, and those are skipped.
Source: RFC 8446, 4.1.2 and 5.1; RFC 5246, 7.4.1.2; RFC 6066, 3.
"""

import re
from enum import Enum
from typing import NamedTuple

HELLO_BYTES = 16 * 1024  # of records: post-quantum key shares make 1.8 KiB usual, and a ticket may be as long again
HANDSHAKE = 22  # the type of a record, and with it the first byte of a TLS connection
_CLIENT_HELLO = 1
_SERVER_NAME = 0  # the type of an extension
_HOST_NAME = 0
_FRAGMENT_BYTES = 2**14
_LABEL = rb"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NUMBER_LAST = re.compile(rb"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_DNS_NAME = re.compile(rb"(?:" + _LABEL + rb"\.)*" + _LABEL)
_DNS_NAME_BYTES = 253


class ClientHello(NamedTuple):
    """What a client asks for."""

    server_name: str
    """In lower case and without a trailing dot; "" where it names no server, or not by a DNS name."""
    said: bytes = b""
    """The name as the client wrote it."""


class Unread(Enum):
    """Why there is no hello."""

    MORE = "more bytes are needed"
    NOT_TLS = "not the ClientHello of TLS"


class HelloReader:
    """Reads one hello, in whatever pieces it comes, in records and segments of any size.

    All bytes together are looked at once, at most HELLO_BYTES of them; an answer other than MORE is final.
    """

    def __init__(self) -> None:
        self._answer: ClientHello | Unread = Unread.MORE
        self._left = HELLO_BYTES
        self._record = b""  # what has come of the head of the next record
        self._in_record = 0  # bytes of the current record that have not come
        self._message = bytearray()
        self._message_bytes = -1  # its length with its head, -1 while unknown

    def feed(self, piece: bytes) -> ClientHello | Unread:
        """The answer to all bytes until now, of which `piece` are the last."""
        at, end = 0, min(len(piece), self._left)
        self._left -= end
        while at < end and self._answer is Unread.MORE:
            at = self._fragment(piece, at, end) if self._in_record else self._record_head(piece, at, end)
        if self._answer is Unread.MORE and not self._left:
            self._answer = Unread.NOT_TLS
        return self._answer

    def _record_head(self, piece: bytes, at: int, end: int) -> int:
        taken = min(end, at + 5 - len(self._record))
        head = self._record = self._record + piece[at:taken]
        # The minor version "MUST be ignored for all purposes" (RFC 8446, 5.1); the major has always been 3.
        if head[0] != HANDSHAKE or head[1:2] not in (b"", b"\x03"):
            self._answer = Unread.NOT_TLS
        elif len(head) == 5:
            self._record, self._in_record = b"", int.from_bytes(head[3:5], "big")
            if not 0 < self._in_record <= _FRAGMENT_BYTES:  # RFC 8446, 5.1: no handshake fragment is empty
                self._answer = Unread.NOT_TLS
        return taken

    def _fragment(self, piece: bytes, at: int, end: int) -> int:
        taken = min(end, at + self._in_record)
        self._in_record -= taken - at
        message = self._message
        message += piece[at:taken]
        if self._message_bytes < 0 and len(message) >= 4:
            self._message_bytes = 4 + int.from_bytes(message[1:4], "big")
        if message[0] != _CLIENT_HELLO or self._message_bytes > HELLO_BYTES:
            self._answer = Unread.NOT_TLS
        elif 0 <= self._message_bytes <= len(message):
            self._answer = _parsed(bytes(message[4 : self._message_bytes])) or Unread.NOT_TLS
        return taken


class _Malformed(Exception):
    """A vector is longer than what it is in, or shorter than it must be."""


class _Cursor:
    """Reads vectors (RFC 8446, 3.4) one behind the other."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        """The next `size` bytes. Raises _Malformed: there are fewer."""
        at = self._at
        if size > len(self._data) - at:
            raise _Malformed
        self._at = at + size
        return self._data[at : self._at]

    def number(self, size: int) -> int:
        """An unsigned number of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, length_size: int, least: int = 0) -> bytes:
        """A vector whose length, at least `least` bytes, is written in `length_size` bytes."""
        length = self.number(length_size)
        if length < least:
            raise _Malformed
        return self.take(length)


def _parsed(body: bytes) -> ClientHello | None:
    """The hello with this body; None if it is malformed."""
    hello = _Cursor(body)
    try:
        if hello.number(1) != 3:  # the major version
            return None
        hello.take(1 + 32)  # the minor version, random
        hello.vector(1)  # the session
        if len(hello.vector(2, 2)) % 2:  # the cipher suites
            return None
        hello.vector(1, 1)  # compression
        if not hello.left():  # TLS 1.2 and before: there may be no extensions
            return ClientHello("")
        extensions = hello.vector(2)
        return _named(_Cursor(extensions)) if not hello.left() else None
    except _Malformed:
        return None


def _named(extensions: _Cursor) -> ClientHello | None:
    names = None
    while extensions.left():
        kind, data = extensions.number(2), extensions.vector(2)
        if kind == _SERVER_NAME:
            if names is not None:
                return None  # RFC 8446, 4.2: not twice
            names = data
    return ClientHello("") if names is None else _host_of(_Cursor(_whole_vector(names)))


def _whole_vector(data: bytes) -> bytes:
    cursor = _Cursor(data)
    names = cursor.vector(2, 1)
    if cursor.left():
        raise _Malformed
    return names


def _host_of(names: _Cursor) -> ClientHello | None:
    """The host among the names; None if there are several (RFC 6066, 3: not two of one type)."""
    host = None
    while names.left():
        kind, name = names.number(1), names.vector(2, 1)
        if kind == _HOST_NAME:
            if host is not None:
                return None
            host = name
    return ClientHello("") if host is None else ClientHello(_dns_name(host), host)


def _dns_name(said: bytes) -> str:
    """The DNS name that `said` is, its case and one trailing dot aside; "" for an IP address and what is no name.

    A last label that is a number makes it an address (URL Standard, 3.5: "ends in a number").
    """
    name = said.lower().removesuffix(b".")
    if len(name) > _DNS_NAME_BYTES or _DNS_NAME.fullmatch(name) is None or _NUMBER_LAST.fullmatch(name) is not None:
        return ""
    return name.decode("ascii")
