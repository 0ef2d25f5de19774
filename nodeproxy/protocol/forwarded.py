"""The fields that the mesh adds to messages it forwards: the client, the intermediary, and the trace context.

Source: RFC 9110, 7.6.3 (Via); W3C Trace Context, 2.2 and 3.2 (traceparent); RFC 7239, 4 (Forwarded).
"""

import re
from collections.abc import Callable, Mapping
from random import Random
from typing import NamedTuple

from nodeproxy.protocol.message import Request
from nodeproxy.protocol.syntax import TOKEN

VIA: Mapping[bytes, bytes] = {b"": b"", **{each: b"Via: %b nodeproxy\r\n" % each for each in (b"1.0", b"1.1", b"2")}}
"""The line Via by the version in which a message was received; none for the mesh's own messages (version b"")."""
NO_VIA: Mapping[bytes, bytes] = dict.fromkeys(VIA, b"")
_SAID = re.compile(rb"\n(x-forwarded-(?:for|proto|host)|forwarded|x-real-ip):[ \t]*+([^\r]*+)", re.IGNORECASE)
_NAMES = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"x-real-ip")
# An appended element would become part of an unclosed quoted string: such values are dropped.
_QUOTES_CLOSED = re.compile(rb'[^"]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*"[^"]*+)*', re.DOTALL)
_TOKEN = re.compile(TOKEN)


def new_trace(bits: Callable[[int], int]) -> bytes:
    """The field line of a new, sampled trace. `bits(n)` returns n random bits, as `random.getrandbits`."""
    # The highest bit of each identifier is set: zero is not valid. Samplers use the lowest 56 bits of a trace.
    digits = b"%048x" % (bits(192) | 1 << 191 | 1 << 63)
    return b"traceparent: 00-%b-%b-01\r\n" % (digits[:32], digits[32:])


class Forwarded(NamedTuple):
    """Values of the forwarding fields of a trusted client; b"" for an absent field.

    Lines with the same name are joined in their order, as RFC 9110, 5.3 allows. The application chooses between several
    values, as it does without the mesh.
    """

    for_: bytes
    proto: bytes
    host: bytes
    elements: bytes
    """The elements of Forwarded (RFC 7239)."""
    real_ip: bytes


def forwarded(received: bytes) -> Forwarded:
    """The forwarding fields of a received head.

    Spellings with underscores are ignored, and fields nominated by Connection are still read: otherwise a client
    behind the trusted one could hide its address.
    """
    lines: dict[bytes, list[bytes]] = {}
    for match in _SAID.finditer(received):
        if value := match[2].rstrip(b" \t"):
            lines.setdefault(match[1].lower(), []).append(value)
    for_, proto, host, elements, real_ip = (b", ".join(lines.get(name, ())) for name in _NAMES)
    return Forwarded(for_, proto, host, elements if _QUOTES_CLOSED.fullmatch(elements) else b"", real_ip)


def element(client: str, host: bytes) -> bytes:
    """The element that the mesh adds to Forwarded, for a request for `host` from the address `client`."""
    node = b'"[%b]"' % client.encode() if ":" in client else client.encode()
    if not host:
        return b"for=%b;proto=http" % node
    return b"for=%b;host=%b;proto=http" % (node, host if _TOKEN.fullmatch(host) else b'"%b"' % host)


class Adder:
    """Makes the field lines that the mesh adds to a request.

    A client's own X-Forwarded-*, Forwarded and X-Real-IP were removed from its head; the address of its socket is used
    instead. For a trusted client, that address is appended to X-Forwarded-For, and to Forwarded if present (a new
    Forwarded would take precedence over X-Forwarded-* in some applications), and its other values are kept.

    A share of `sample_ratio` of the requests without a trace starts one. The others are forwarded without a trace, not
    with one marked as not sampled: applications behind the mesh would then record no trace either.
    """

    def __init__(self, random: Random, sample_ratio: float, via: Mapping[bytes, bytes] = NO_VIA) -> None:
        self._random = random
        self._sample_ratio = sample_ratio
        self._via = via

    def __call__(self, request: Request, client: str, said: Forwarded | None = None) -> bytes:
        """The lines for `request` from the address `client`; `said` are the values of a trusted client."""
        trace = b""
        if self._sample_ratio and not request.traced and self._random.random() < self._sample_ratio:
            # A tracestate without traceparent would be attributed to the new trace.
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
    """The lines that are added only if the trusted client sent these fields."""
    elements = b"Forwarded: %b, %b\r\n" % (said.elements, element(client, host)) if said.elements else b""
    return elements + b"X-Real-IP: %b\r\n" % said.real_ip if said.real_ip else elements
