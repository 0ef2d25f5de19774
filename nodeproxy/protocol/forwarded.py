"""The fields the mesh adds to what it sends on: who called, through whom, and where a trace begins.

Source: RFC 9110, 7.6.3 (Via); W3C Trace Context, 2.2 and 3.2 (traceparent); RFC 7239, 4 (Forwarded).
"""

import re
from collections.abc import Callable, Mapping
from random import Random
from typing import NamedTuple

from nodeproxy.protocol.message import Request
from nodeproxy.protocol.syntax import TOKEN

VIA: Mapping[bytes, bytes] = {b"": b"", **{each: b"Via: %b nodeproxy\r\n" % each for each in (b"1.0", b"1.1")}}
"""By the version in which a message was received; no line for the mesh's own messages, which have none."""
NO_VIA: Mapping[bytes, bytes] = dict.fromkeys(VIA, b"")
_SAID = re.compile(rb"\n(x-forwarded-(?:for|proto|host)|forwarded|x-real-ip):[ \t]*+([^\r]*+)", re.IGNORECASE)
_NAMES = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"x-real-ip")
# An open quote would swallow the element that is appended: what has one is left out.
_QUOTES_CLOSED = re.compile(rb'[^"]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*"[^"]*+)*', re.DOTALL)
_TOKEN = re.compile(TOKEN)


def new_trace(bits: Callable[[int], int]) -> bytes:
    """The field of a fresh trace that is sampled. `bits` gives a random number of so many bits, as `getrandbits`."""
    # The highest bit of each identifier is set: one of zeros only is not valid. Samplers go by a trace's lowest 56.
    digits = b"%048x" % (bits(192) | 1 << 191 | 1 << 63)
    return b"traceparent: 00-%b-%b-01\r\n" % (digits[:32], digits[32:])


class Forwarded(NamedTuple):
    """What a client that is trusted says of those it speaks for; b"" where it says nothing.

    Several lines of a field are one, joined in their order: RFC 9110, 5.3 lets any recipient do that. Which of several
    values counts is left to the application, as without the mesh.
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
    """Makes the field lines that the mesh adds to a request.

    What a client says in X-Forwarded-*, Forwarded and X-Real-IP has been cut out of its head: only its socket's address
    counts, unless it is trusted. Then its address is appended to X-Forwarded-For, and to Forwarded if there is one (a
    new one would outrank X-Forwarded-* in some applications); what it says in the other fields is kept.

    A trace begins here for `sample_ratio` of the requests that have none. The others go on without one, and not with
    one that is marked as not sampled: an application behind the mesh would obey that, and record nothing any more.
    """

    def __init__(self, random: Random, sample_ratio: float, via: Mapping[bytes, bytes] = NO_VIA) -> None:
        self._random = random
        self._sample_ratio = sample_ratio
        self._via = via

    def __call__(self, request: Request, client: str, said: Forwarded | None = None) -> bytes:
        """The lines for `request` from the address `client`; `said` is what it is trusted with."""
        trace = b""
        if self._sample_ratio and not request.traced and self._random.random() < self._sample_ratio:
            # A tracestate that stands alone is of another trace, and would be read as this one's.
            trace = b"" if request.fields.get(b"tracestate") is not None else new_trace(self._random.getrandbits)
        for_, proto, host = client.encode(), b"http", request.authority
        if said is not None:
            for_ = b"%b, %b" % (said.for_, for_) if said.for_ else for_
            proto, host = said.proto or proto, said.host or host
        lines = b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n%b%b" % (
            for_,
            proto,
            host,
            self._via[request.version],
            trace,
        )
        return lines if said is None else _trusted_fields(said, request.authority, client) + lines


def _trusted_fields(said: Forwarded, host: bytes, client: str) -> bytes:
    """The fields of a trusted client that a request has only if the client sent them."""
    elements = b"Forwarded: %b, %b\r\n" % (said.elements, element(client, host)) if said.elements else b""
    return elements + b"X-Real-IP: %b\r\n" % said.real_ip if said.real_ip else elements
