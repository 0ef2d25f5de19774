"""The header fields of one message, independent of the protocol that carried it.

They are stored as the received block of HTTP/1 field lines. Edits are queued and applied once, when the message is
sent; a message without edits is forwarded byte for byte. Fields that frame a message or concern one connection cannot
be edited: the sending side writes them, in its own protocol.
"""

import re
from collections.abc import Container, Iterator

from nodeproxy.protocol.syntax import TOKEN, VALUE

_LINE = re.compile(rb"(" + TOKEN + rb"):[ \t]*+([^\r]*+)\r\n")
_NAME = re.compile(TOKEN)
_VALUE = re.compile(VALUE)
_LENGTH = (b"content-length",)
_LENGTH_LINE = re.compile(rb"(?:\A|\n)content-length:", re.IGNORECASE)

# Fields for routing, framing and this hop (RFC 9110, 7.6.1; RFC 9112, 6), and fields that the mesh adds itself and that
# would be duplicated: the origin of a request, and the date of a response without one.
OF_THE_SENDER = frozenset(
    {
        b"host", b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"proxy-connection", b"te",
        b"trailer", b"upgrade", b"via", b"expect", b"date", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto",
        b"x-forwarded-host", b"x-real-ip",
    }
)  # fmt: skip


class FieldRefused(ValueError):
    """A field that cannot be edited, or bytes that are not a valid field; the text contains its name and the reason."""


class Fields:
    """Header fields in the order in which they were received. Names are case-insensitive."""

    __slots__ = ("_added", "_block", "_dropped")

    def __init__(self, block: bytes = b"") -> None:
        """`block` holds whole field lines, each with its CRLF, already valid."""
        self._block = block
        self._added: list[tuple[bytes, bytes]] | None = None
        self._dropped: set[bytes] | None = None

    def get(self, name: bytes) -> bytes | None:
        """The value of the field called `name`; None when there is none.

        Lines with the same name are joined by commas (RFC 9110, 5.3), which is wrong for Set-Cookie: use `values`.
        """
        values = self.values(name)
        return b", ".join(values) if values else None

    def values(self, name: bytes) -> list[bytes]:
        """The values of all lines called `name`, in order."""
        wanted = name.lower()
        return [value for found, value in self.pairs() if found == wanted]

    def mentions(self, name: bytes) -> bool:
        """Whether `name`, in lower case, stands anywhere in the lines: if not, no field has that name. Cheap."""
        return name in self.block().lower()

    def only(self, name: bytes) -> bytes | None:
        """The value of the only line called `name`, in lower case; None where there is none, or several."""
        found = self._position(name)
        return None if found is None else self._block[found[0] + len(name) + 1 : found[1]].strip(b" \t\r\n")

    def drop_only(self, name: bytes) -> bool:
        """Remove the only line called `name`, in lower case; returns false where there is none, or several.

        A tenth of the cost of `remove`. It is for fields that the mesh itself writes anew.
        """
        found = self._position(name)
        if found is not None:
            self._block = self._block[: found[0]] + self._block[found[1] :]
        return found is not None

    def cut(self, start: int, end: int) -> None:
        """Remove what stands from `start` to `end` in `block()`: whole lines."""
        block = self.block()
        self._block = block[:start] + block[end:]

    def _position(self, name: bytes) -> tuple[int, int] | None:
        lines, start = self.block().lower(), name + b":"
        at = 0 if lines.startswith(start) else lines.find(b"\n" + start) + 1
        if not at and not lines.startswith(start):
            return None
        end = lines.find(b"\n", at) + 1
        return None if lines.find(b"\n" + start, end - 1) >= 0 else (at, end)

    def set(self, name: bytes, value: bytes) -> None:
        """Replace all lines called `name` by one with this value.

        Raises:
            FieldRefused: the sending side writes this field, or `name` or `value` is not valid in a field line.
        """
        line = _line(name, value)
        self.remove(name)
        self._append(name.lower(), line)

    def add(self, name: bytes, value: bytes) -> None:
        """Append a line; lines with the same name stay.

        Raises:
            FieldRefused: as `set`.
        """
        self._append(name.lower(), _line(name, value))

    def remove(self, name: bytes) -> None:
        """Remove all lines called `name`, if there are any.

        Raises:
            FieldRefused: the sending side writes this field.
        """
        _check_owner(name)
        lower = name.lower()
        if self._added is not None:
            self._added = [(found, line) for found, line in self._added if found != lower]
        if self._dropped is None:
            self._dropped = set()
        self._dropped.add(lower)

    def block(self) -> bytes:
        """All field lines, without the empty line that ends a head."""
        if self._dropped is not None:
            self._block = without(self._block, self._dropped)
            self._dropped = None
        if self._added is not None:
            self._block = b"".join([self._block, *(line for _, line in self._added)])
            self._added = None
        return self._block

    def drop_length(self) -> None:
        """Remove Content-Length: for a body whose length is UNKNOWN, which the sending side frames differently."""
        if _LENGTH_LINE.search(self._block):
            self._block = without(self._block, _LENGTH)

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        """Each line as a lower-case name and a value without surrounding white space, as HTTP/2 sends it."""
        return pairs(self.block())

    def _append(self, lower: bytes, line: bytes) -> None:
        if self._added is None:
            self._added = []
        self._added.append((lower, line))


def pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The lines of `block`, see `Fields.pairs`."""
    for match in _LINE.finditer(block):
        yield match[1].lower(), match[2].rstrip(b" \t")


def without(block: bytes, names: Container[bytes]) -> bytes:
    """`block` without the lines whose names are in `names`, which are in lower case."""
    # Not a regular expression of the names: clients choose them, and compiling thousands takes a third of a second.
    return _LINE.sub(lambda line: b"" if line[1].lower() in names else line[0], block)


def _line(name: bytes, value: bytes) -> bytes:
    if _NAME.fullmatch(name) is None:
        raise FieldRefused(f"{_shown(name)} is not a field name")
    _check_owner(name)
    if _VALUE.fullmatch(value) is None:
        raise FieldRefused(f"the value of {_shown(name)} has a control byte in it")
    return b"%b: %b\r\n" % (name, value.strip(b" \t"))


def _check_owner(name: bytes) -> None:
    # CGI-like servers read an underscore as a dash.
    if name.lower().replace(b"_", b"-") in OF_THE_SENDER:
        raise FieldRefused(f"{_shown(name)} is written by the side that sends a message; no policy can change it")


def _shown(name: bytes) -> str:
    return ascii(name.decode("latin-1"))[1:-1]
