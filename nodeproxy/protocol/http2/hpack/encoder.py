"""Encodes fields without state: no dynamic table and no Huffman code, so blocks of a connection are independent.

HAProxy encodes alike: a lookup per field would cost more than the bytes it saves between two processes of a cluster.
Source: RFC 7541, 6 and 7.1.3.
"""

from nodeproxy.protocol.http2.hpack import integers
from nodeproxy.protocol.http2.hpack.static_table import ENTRIES, NAMES

NO_TABLE = b"\x20"
"""Sets the peer's table to 0 bytes: the first in a block after the peer has lowered SETTINGS_HEADER_TABLE_SIZE."""
_NEVER_INDEXED = (b"authorization", b"cookie", b"set-cookie", b"proxy-authorization")
_INDEXED_NAMES = (b":method", b":path", b":scheme", b":status")
_INDEXED = {
    pair: integers.encoded(index, 7, 0x80) for index, pair in enumerate(ENTRIES, 1) if pair[0] in _INDEXED_NAMES
}
# RFC 7541, 7.1.3: no intermediary may put a literal that is never indexed into a table.
_NAMED = {name: integers.encoded(index, 4, 0x10 if name in _NEVER_INDEXED else 0) for name, index in NAMES.items()}


def pseudo(name: bytes, value: bytes) -> bytes:
    """A field that is whole in the static table for the most common values: a pseudo-field."""
    return _INDEXED.get((name, value)) or field(name, value)


def field(name: bytes, value: bytes) -> bytes:
    """A field as a literal without indexing; `name` is in lower case."""
    named = _NAMED.get(name)
    size = len(value)
    if named is None:
        named = b"\x00%b%b" % (integers.encoded(len(name), 7), name)
    if size < 0x7F:
        return b"%b%c%b" % (named, size, value)
    return b"%b%b%b" % (named, integers.encoded(size, 7), value)
