"""Integers of HPACK. Source: RFC 7541, 5.1."""

from nodeproxy.protocol.http2.codes import COMPRESSION_ERROR
from nodeproxy.protocol.http2.errors import ConnectionBroken

SHIFT_MOST = 28  # five bytes after the prefix, as nghttp2: below 2**36, and every size here is below 2**32


def encoded(value: int, bits: int, first: int = 0) -> bytes:
    """`value` with a prefix of `bits` bits; `first` are the other bits of the first byte."""
    most = (1 << bits) - 1
    if value < most:
        return bytes((first | value,))
    more = [first | most]
    value -= most
    while value > 0x7F:
        more.append(0x80 | value & 0x7F)
        value >>= 7
    return bytes((*more, value))


def decoded(data: bytes, at: int, bits: int) -> tuple[int, int]:
    """The integer whose prefix of `bits` bits is in the byte at `at`, and the offset behind it.

    Raises:
        ConnectionBroken: it is incomplete, or longer than five bytes after the prefix.
    """
    most = (1 << bits) - 1
    if at >= len(data):
        raise ConnectionBroken(COMPRESSION_ERROR, "a field block ends within a field")
    value = data[at] & most
    at += 1
    if value < most:
        return value, at
    for shift in range(0, SHIFT_MOST + 1, 7):
        if at >= len(data):
            raise ConnectionBroken(COMPRESSION_ERROR, "a field block ends within an integer")
        byte = data[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ConnectionBroken(COMPRESSION_ERROR, "an integer in a field block is too long")
