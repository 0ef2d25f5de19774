"""The fields the mesh adds to what it sends on: who called, through whom, and the trace it belongs to.

Source: RFC 9110, 7.6.3 (Via); W3C Trace Context, 2.2 and 3.2 (traceparent).
"""

import re
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from nodeproxy.protocol.head import CHUNKED, RequestHead, field

VIA = b"Via: 1.1 nodeproxy\r\n"
VIA_OLD = b"Via: 1.0 nodeproxy\r\n"
CHUNKED_END = b"Transfer-Encoding: chunked\r\n\r\n"
_FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host")
_TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def is_traceparent(value: bytes) -> bool:
    """Whether `value` is a traceparent of version 00 that may be passed on."""
    return _TRACEPARENT.fullmatch(value) is not None


def new_traceparent(bits: Callable[[int], int], sampled: bool) -> bytes:
    """A fresh trace. `bits` gives a random number of so many bits, as `random.getrandbits`."""
    # The lowest bit of each number is set: an identifier of zeros only is not valid.
    digits = b"%048x" % (bits(192) | 1 << 64 | 1)
    return b"00-%b-%b-%b" % (digits[:32], digits[32:], b"01" if sampled else b"00")


class Forwarded(NamedTuple):
    """What a client that is trusted says of those it speaks for; b"" where it says nothing."""

    for_: bytes
    proto: bytes
    host: bytes


def forwarded(received: bytes) -> Forwarded:
    """The X-Forwarded-* fields of a head as it was received. Of several with one name, the first counts."""
    return Forwarded(*(field(received, name) or b"" for name in _FORWARDED))


class Adder:
    """Makes the field lines that the mesh adds to a request, the empty line behind them included.

    What a client says of itself in X-Forwarded-* has been cut out of its head: only its socket's address counts,
    unless it is trusted. Then its address is appended to X-Forwarded-For, and what it says of Proto and Host is kept.
    """

    def __init__(self, random: Random, sample_ratio: float) -> None:
        self._random = random
        self._sample_ratio = sample_ratio

    def __call__(self, head: RequestHead, client: str, said: Forwarded | None = None) -> bytes:
        """The lines for a request with `head` from the address `client`; `said` is what it is trusted with."""
        trace = head.traceparent
        if not trace or not is_traceparent(trace):
            trace = new_traceparent(self._random.getrandbits, self._random.random() < self._sample_ratio)
        for_, proto, host = client.encode(), b"http", head.host
        if said is not None:
            for_ = b"%b, %b" % (said.for_, for_) if said.for_ else for_
            proto, host = said.proto or proto, said.host or host
        return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n%btraceparent: %b\r\n%b" % (
            for_,
            proto,
            host,
            VIA if head.minor else VIA_OLD,
            trace,
            CHUNKED_END if head.length == CHUNKED else b"\r\n",
        )
