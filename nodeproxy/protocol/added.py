"""The fields the mesh adds to what it sends on: who called, through whom, and where a trace begins.

Source: RFC 9110, 7.6.3 (Via); W3C Trace Context, 2.2 and 3.2 (traceparent).
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from nodeproxy.protocol.head import CHUNKED, RequestHead, field

VIA = (b"Via: 1.0 nodeproxy\r\n", b"Via: 1.1 nodeproxy\r\n")
"""By the minor version in which a message was received."""
NO_VIA = (b"", b"")
CHUNKED_END = b"Transfer-Encoding: chunked\r\n\r\n"
_FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host")


def new_trace(bits: Callable[[int], int]) -> bytes:
    """The field of a fresh trace that is sampled. `bits` gives a random number of so many bits, as `getrandbits`."""
    # The highest bit of each identifier is set: one of zeros only is not valid. Samplers go by a trace's lowest 56.
    digits = b"%048x" % (bits(192) | 1 << 191 | 1 << 63)
    return b"traceparent: 00-%b-%b-01\r\n" % (digits[:32], digits[32:])


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

    A trace begins here for `sample_ratio` of the requests that have none. The others go on without one, and not with
    one that is marked as not sampled: an application behind the mesh would obey that, and record nothing any more.
    """

    def __init__(self, random: Random, sample_ratio: float, via: tuple[bytes, bytes] = NO_VIA) -> None:
        self._random = random
        self._sample_ratio = sample_ratio
        self._via = via

    def __call__(self, head: RequestHead, client: str, said: Forwarded | None = None) -> bytes:
        """The lines for a request with `head` from the address `client`; `said` is what it is trusted with."""
        trace = b""
        if self._sample_ratio and not head.traced and self._random.random() < self._sample_ratio:
            trace = new_trace(self._random.getrandbits)
        for_, proto, host = client.encode(), b"http", head.host
        if said is not None:
            for_ = b"%b, %b" % (said.for_, for_) if said.for_ else for_
            proto, host = said.proto or proto, said.host or host
        return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n%b%b%b" % (
            for_,
            proto,
            host,
            self._via[head.minor],
            trace,
            CHUNKED_END if head.length == CHUNKED else b"\r\n",
        )
