"""Decodes field blocks. Source: RFC 7541, 3 and 6.

A block is decoded to its end even if it says too much: the table has to agree with the sender's. Only a block that
unfolds to a multiple of the limit ends its connection, at the field that does.
"""

from nodeproxy.protocol.http2.codes import COMPRESSION_ERROR, ENHANCE_YOUR_CALM
from nodeproxy.protocol.http2.errors import ConnectionBroken
from nodeproxy.protocol.http2.hpack import huffman, integers
from nodeproxy.protocol.http2.hpack.static_table import Pair
from nodeproxy.protocol.http2.hpack.table import OVERHEAD_BYTES, TABLE_BYTES, IndexedFields

UPDATES_MOST = 2  # of the table's size, per block (RFC 7541, 4.2): they cost work and do not count as fields
BOMB_FACTOR = 4  # limits of a list's size that end the connection: Go and nghttp2 also decode beyond the limit, bounded


def decoded(block: bytes, table: IndexedFields, most_bytes: int, most_fields: int) -> list[Pair] | None:
    """The fields of `block`; None if they are more than `most_bytes`, or more than `most_fields`.

    The size of a list includes 32 bytes for each field (RFC 9113, 6.5.2).

    Raises:
        ConnectionBroken: the block is malformed (COMPRESSION_ERROR), or larger than BOMB_FACTOR times `most_bytes`.
    """
    at = _updated(block, table)
    pairs: list[Pair] = []
    size = count = 0
    while at < len(block):
        pair, at = _field(block, at, table)
        size += len(pair[0]) + len(pair[1]) + OVERHEAD_BYTES
        count += 1
        if size <= most_bytes and count <= most_fields:
            pairs.append(pair)
        elif size > BOMB_FACTOR * most_bytes:
            raise ConnectionBroken(ENHANCE_YOUR_CALM, f"a field block unfolds to more than {size} bytes")
    return pairs if size <= most_bytes and count <= most_fields else None


def _updated(block: bytes, table: IndexedFields) -> int:
    """The offset behind the updates of the table's size, which are the first in a block (RFC 7541, 4.2, 6.3)."""
    at = updates = 0
    while block[at : at + 1] and block[at] & 0xE0 == 0x20:
        most, at = integers.decoded(block, at, 5)
        updates += 1
        if most > TABLE_BYTES or updates > UPDATES_MOST:
            raise ConnectionBroken(COMPRESSION_ERROR, f"the header table is set to {most} bytes, or more than twice")
        table.resize(most)
    return at


def _field(block: bytes, at: int, table: IndexedFields) -> tuple[Pair, int]:
    """The field at `at`, and the offset behind it."""
    first = block[at]
    if first & 0x80:
        index, at = integers.decoded(block, at, 7)
        return _entry(table, index), at
    if first & 0x40:
        pair, at = _literal(block, at, 6, table)
        table.add(*pair)
        return pair, at
    if first & 0x20:
        raise ConnectionBroken(COMPRESSION_ERROR, "the size of the header table is updated after a field")
    return _literal(block, at, 4, table)


def _entry(table: IndexedFields, index: int) -> Pair:
    try:
        return table.get(index)
    except IndexError:
        raise ConnectionBroken(COMPRESSION_ERROR, f"the header table has no entry {index}") from None


def _literal(block: bytes, at: int, bits: int, table: IndexedFields) -> tuple[Pair, int]:
    index, at = integers.decoded(block, at, bits)
    if index:
        name = _entry(table, index)[0]
    else:
        name, at = _string(block, at)
    value, at = _string(block, at)
    return (name, value), at


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    """The string at `at`, and the offset behind it. Source: RFC 7541, 5.2."""
    size, start = integers.decoded(block, at, 7)
    end = start + size
    if end > len(block):
        raise ConnectionBroken(COMPRESSION_ERROR, "a field block ends within a string")
    text = block[start:end]
    return (huffman.decoded(text) if block[at] & 0x80 else text), end
