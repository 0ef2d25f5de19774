"""Counts the commands on one client's connection to Redis from the bytes that it sends, after they have been sent.

Nothing depends on what is counted: bytes that this reader does not understand reach the server all the same, and the
reader then gives up the connection. It keeps a few bytes between two pieces, and no argument.
Source: Redis, "Redis serialization protocol specification", Sending commands to a Redis server, Inline commands.
"""

import re
from collections.abc import Callable, MutableMapping

from nodeproxy.protocol.redis.names import LONGEST, NAMES, OTHER

_LENGTH_MOST = 16  # of `*3\r\n` and `$512000000\r\n`, more than any server takes
_MULTIBULK = re.compile(rb"\*(-?[0-9]{1,10})\r\n")
_BULK = re.compile(rb"\$([0-9]{1,11})\r\n")
_PLAIN = re.compile(rb"\*([1-9])\r\n\$([0-9]{1,2})\r\n([A-Za-z]{1,32})\r\n")
_BETWEEN = re.compile(rb"[ \t\r\n]*+")
_WORD = re.compile(rb"[!-~]*+")


class _Unreadable(Exception):
    """The client does not speak Redis's protocol."""


class CommandReader:
    """The commands of one connection. It never raises, whatever it is fed, and however that is cut into pieces."""

    __slots__ = ("_arguments", "_counts", "_gave_up", "_in_line", "_is_first", "_kept", "_skip_bytes", "readable")

    def __init__(self, counts: MutableMapping[str, int], gave_up: Callable[[], None]) -> None:
        """`counts` has the number of each command by its name in lower case, `OTHER` for all that are not known.

        `gave_up` is called once if the client turns out to speak something else.
        """
        self._counts = counts
        self._gave_up = gave_up
        self.readable = True
        """Whether it still counts."""
        self._kept = b""  # the beginning of a length or of a name, whose end has not been sent
        self._skip_bytes = 0  # of an argument that has not been sent whole
        self._arguments = 0  # of the current command that are still to come
        self._is_first = False  # of them: the command's name
        self._in_line = False  # of an inline command that has been counted

    def feed(self, piece: bytes | memoryview) -> None:
        """Count what begins in the bytes that follow those fed before; `piece` is not kept."""
        if not self.readable:
            return
        if len(piece) <= self._skip_bytes:
            self._skip_bytes -= len(piece)
            return
        data = self._kept + bytes(piece[self._skip_bytes :])
        self._kept, self._skip_bytes = b"", 0
        try:
            self._kept = data[self._read(data) :]
        except _Unreadable:
            self.readable = False
            self._gave_up()

    def _read(self, data: bytes) -> int:
        """Read on from `data`; returns where what cannot be read yet begins."""
        at, end = 0, len(data)
        while at < end:
            before = at
            if self._is_first:
                at = self._name(data, at)
            elif self._arguments:
                at = self._rest_of_command(data, at)
            elif self._in_line:
                at = self._rest_of_line(data, at)
            else:
                at = self._command(data, at)
            if at == before:
                return at
            if at > end:
                self._skip_bytes = at - end
                return end
        return at

    def _command(self, data: bytes, at: int) -> int:
        plain = _PLAIN.match(data, at)  # only for speed: what it matches the rest reads as well
        if plain is not None and int(plain[2]) == len(plain[3]):
            self._count(plain[3])
            self._arguments = int(plain[1]) - 1
            return plain.end()
        found = _BETWEEN.match(data, at)
        at = found.end() if found is not None else at
        if data[at : at + 1] != b"*":
            return self._inline(data, at) if at < len(data) else at
        arguments, after = _length(_MULTIBULK, data, at)
        self._arguments, self._is_first = max(arguments, 0), arguments > 0
        return after

    def _name(self, data: bytes, at: int) -> int:
        """Behind the first argument; `at` where it has not been sent whole, unless it is too long to be a name."""
        size, begin = _length(_BULK, data, at)
        if begin == at or (size <= LONGEST and len(data) < begin + size):
            return at
        self._count(data[begin : begin + size] if size <= LONGEST else b"")
        self._is_first = False
        self._arguments -= 1
        return begin + size + 2

    def _rest_of_command(self, data: bytes, at: int) -> int:
        """Behind the arguments that begin in `data`, the last of which may end behind it."""
        left, end = self._arguments, len(data)
        while left and at < end:
            size, begin = _length(_BULK, data, at)
            if begin == at:
                break
            at = begin + size + 2
            left -= 1
        self._arguments = left
        return at

    def _inline(self, data: bytes, at: int) -> int:
        found = _WORD.match(data, at, at + LONGEST + 1)
        end = found.end() if found is not None else at
        if end - at <= LONGEST:
            if end == len(data):
                return at
            if data[end] not in b" \t\r\n":
                raise _Unreadable
        self._count(data[at:end])
        self._in_line = True
        return end

    def _rest_of_line(self, data: bytes, at: int) -> int:
        newline = data.find(b"\n", at)
        self._in_line = newline < 0
        return newline + 1 or len(data)

    def _count(self, name: bytes) -> None:
        known = NAMES.get(name) or NAMES.get(name.lower(), OTHER)
        self._counts[known] = self._counts.get(known, 0) + 1


def _length(pattern: re.Pattern[bytes], data: bytes, at: int) -> tuple[int, int]:
    """The number at this place, and where what it is the length of begins: `at` while its line has not been sent.

    Raises:
        _Unreadable: there is no such number.
    """
    found = pattern.match(data, at)
    if found is not None:
        return int(found[1]), found.end()
    line = data[at : at + _LENGTH_MOST]
    if len(line) == _LENGTH_MOST or b"\n" in line:
        raise _Unreadable
    return 0, at
