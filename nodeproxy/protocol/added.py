"""The fields the mesh adds to what it sends on: who called, through whom, and the trace it belongs to.

Source: RFC 9110, 7.6.3 (Via); W3C Trace Context, 2.2 and 3.2 (traceparent); RFC 7239, 4 (Forwarded).
"""

import re
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from nodeproxy.protocol import grammar
from nodeproxy.protocol.head import CHUNKED, RequestHead

VIA = b"Via: 1.1 nodeproxy\r\n"
VIA_OLD = b"Via: 1.0 nodeproxy\r\n"
CHUNKED_END = b"Transfer-Encoding: chunked\r\n\r\n"
_SAID = re.compile(rb"\n(x-forwarded-(?:for|proto|host)|forwarded|x-real-ip):[ \t]*+([^\r]*+)", re.IGNORECASE)
_NAMES = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"x-real-ip")
# An open quote would swallow the element that is appended: what has one is left out, as nginx' documentation does.
_QUOTES_CLOSED = re.compile(rb'(?:[^"]|"(?:[^"\\]|\\.)*+")*+', re.DOTALL)
_TOKEN = re.compile(grammar.TOKEN)
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
    """What a client that is trusted says of those it speaks for; b"" where it says nothing.

    Several lines of a field are one, joined in their order: RFC 9110, 5.3 lets any recipient do that, and so nginx (in
    `$http_…`) and Envoy do. Which of several values counts is left to the application, as without the mesh.
    """

    for_: bytes
    proto: bytes
    host: bytes
    elements: bytes
    """Of Forwarded, RFC 7239."""
    real_ip: bytes


def forwarded(received: bytes) -> Forwarded:
    """What a head says for whom its sender speaks, as it was received.

    The spellings with underscores are not read, and Connection cannot nominate these fields away: a client behind the
    trusted one could otherwise make itself invisible.
    """
    lines: dict[bytes, list[bytes]] = {}
    for match in _SAID.finditer(received):
        if value := match[2].rstrip(b" \t"):
            lines.setdefault(match[1].lower(), []).append(value)
    for_, proto, host, elements, real_ip = (b", ".join(lines.get(name, ())) for name in _NAMES)
    return Forwarded(for_, proto, host, elements if _QUOTES_CLOSED.fullmatch(elements) else b"", real_ip)


def element(client: str, host: bytes) -> bytes:
    """Our element of Forwarded, about a request for `host` from the address `client`."""
    node = b'"[%b]"' % client.encode() if ":" in client else client.encode()
    if not host:
        return b"for=%b;proto=http" % node
    return b"for=%b;host=%b;proto=http" % (node, host if _TOKEN.fullmatch(host) else b'"%b"' % host)


class Adder:
    """Makes the field lines that the mesh adds to a request, the empty line behind them included.

    What a client says in X-Forwarded-*, Forwarded and X-Real-IP has been cut out of its head: only its socket's address
    counts, unless it is trusted. Then its address is appended to X-Forwarded-For, and to Forwarded if there is one (a
    new one would outrank X-Forwarded-* in some applications); what it says in the other fields is kept.
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
        lines = b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n%btraceparent: %b\r\n%b" % (
            for_,
            proto,
            host,
            VIA if head.minor else VIA_OLD,
            trace,
            CHUNKED_END if head.length == CHUNKED else b"\r\n",
        )
        return lines if said is None else _kept(said, head.host, client) + lines


def _kept(said: Forwarded, host: bytes, client: str) -> bytes:
    """The fields of a trusted client that a request has only if the client sent them."""
    elements = b"Forwarded: %b, %b\r\n" % (said.elements, element(client, host)) if said.elements else b""
    return elements + b"X-Real-IP: %b\r\n" % said.real_ip if said.real_ip else elements
