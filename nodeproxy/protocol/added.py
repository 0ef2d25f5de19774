"""The fields the mesh adds to what it sends on: who called, through whom, and the trace it belongs to.

Source: RFC 9110, 7.6.3 (Via); W3C Trace Context, 2.2 and 3.2 (traceparent).
"""

import re
from collections.abc import Callable

PSEUDONYM = b"nodeproxy"
VIA = b"Via: 1.1 " + PSEUDONYM + b"\r\n"
_TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def is_traceparent(value: bytes) -> bool:
    """Whether `value` is a traceparent of version 00 that may be passed on."""
    return _TRACEPARENT.fullmatch(value) is not None


def new_traceparent(bits: Callable[[int], int], sampled: bool) -> bytes:
    """A fresh trace. `bits` gives a random number of so many bits, as `random.getrandbits`."""
    # The lowest bit of each number is set: an identifier of zeros only is not valid.
    digits = b"%048x" % (bits(192) | 1 << 64 | 1)
    return b"00-%b-%b-%b" % (digits[:32], digits[32:], b"01" if sampled else b"00")
