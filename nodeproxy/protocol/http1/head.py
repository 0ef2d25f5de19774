"""Rules common to heads of requests and responses: limits, and fields that concern this hop.

A message is forwarded with the received lines in their order and spelling, without the hop-by-hop ones. An ambiguous
head is rejected, never repaired.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from nodeproxy.errors import BadRequest, BadResponse, CodingNotSupported
from nodeproxy.protocol.fields import without
from nodeproxy.protocol.http1 import grammar
from nodeproxy.protocol.message import UNKNOWN

_KEPT = {b"host", b"content-length", b"expect", b"traceparent", b"date"}  # read here, and forwarded
_NOT_NOMINABLE = {b"host", b"content-length", b"close", b"keep-alive"}
LENGTH_DIGITS = 18  # fit into 63 bits; int() of many more digits is also slow


class HeadLimits(NamedTuple):
    """Size limits of a head."""

    head_bytes: int = 64 * 1024  # Envoy's 60 KiB, rounded up
    fields: int = 100  # Envoy's max_headers_count, Apache's LimitRequestFields
    line_bytes: int = 8 * 1024  # Apache's and nginx's request line; RFC 9112, 3 asks for 8000


def fields_end(data: bytes, start: int) -> int:
    """The offset at which the well-formed field lines that begin at `start` end."""
    match = grammar.FIELDS.match(data, start)
    return match.end() if match else start


def check_size(data: bytes, size: int, limits: HeadLimits, error: type[BadRequest | BadResponse]) -> None:
    """Raises `error` for a head beyond `limits`. `size` is the size of the head; less than 4 while it is incomplete."""
    if max(size, len(data) if size < 4 else 0) > limits.head_bytes:
        raise error(f"a head of more than {limits.head_bytes} bytes")
    if data.count(b"\n", 0, size if size >= 4 else len(data)) > limits.fields + 2:
        raise error(f"a head of more than {limits.fields} fields")


def check_unfinished(data: bytes, error: type[BadRequest | BadResponse]) -> None:
    """Raises `error` for bytes that cannot begin a head."""
    if grammar.BEGINNING.fullmatch(data) is None:
        raise error("a bare CR or LF, or a control byte")


def sort(matches: Iterable[re.Match[bytes]], data: bytes, start: int) -> tuple[dict[bytes, list[bytes]], bytes]:
    """The values of the matched fields by lower-case name, and the block of fields to forward."""
    found: dict[bytes, list[bytes]] = {}
    parts = []
    for match in matches:
        name = match[1].lower()
        found.setdefault(name, []).append(match[2].rstrip(b" \t"))
        if name not in _KEPT:
            parts.append(data[start : match.start() + 1])
            start = match.end() + 2
    parts.append(data[start:-2])
    return found, b"".join(parts)


def length(found: dict[bytes, list[bytes]], minor: int, error: type[BadRequest | BadResponse]) -> int | None:
    """The length of the body in bytes; UNKNOWN if it is chunked, None if no field frames it. Source: RFC 9112, 6.3."""
    lengths, codings = found.get(b"content-length", []), found.get(b"transfer-encoding", [])
    if codings:
        if lengths or minor == 0:
            raise error("Transfer-Encoding with Content-Length, or in HTTP/1.0")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            *others, last = (coding.strip(b" \t").lower() for value in codings for coding in value.split(b","))
            if error is BadRequest and last == b"chunked" and last not in others and b"" not in others:
                # RFC 9112, 6.1: 501 for an unsupported coding before the final chunked
                raise CodingNotSupported("a transfer coding before chunked; chunked alone is understood")
            raise error("a Transfer-Encoding other than chunked")
        return UNKNOWN
    if not lengths:
        return None
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > LENGTH_DIGITS:
        raise error("Content-Length is not one number")
    return int(lengths[0])


def nominated(found: dict[bytes, list[bytes]], onward: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """The names that Connection nominates, and the fields without them.

    A nomination of Host or Content-Length is ignored: they determine the route and the end of a request.
    """
    if b"connection" not in found:
        return (), onward
    nominated = tuple(sorted(set(members(found[b"connection"])) - _NOT_NOMINABLE))
    return nominated, without(onward, frozenset(nominated)) if nominated else onward


def is_persistent(found: dict[bytes, list[bytes]], minor: int) -> bool:
    """Whether the sender allows its connection to be reused. Source: RFC 9112, 9.3."""
    options = members(found.get(b"connection", []))
    return b"close" not in options and (minor == 1 or b"keep-alive" in options)


def offered(found: dict[bytes, list[bytes]], minor: int) -> list[bytes]:
    """The protocols of Upgrade, as spelled; none if it is malformed, not nominated by Connection, or of HTTP/1.0.

    Source: RFC 9110, 7.8.
    """
    if b"upgrade" not in found or not minor or b"upgrade" not in members(found.get(b"connection", [])):
        return []
    protocols = [each.strip(b" \t") for value in found[b"upgrade"] for each in value.split(b",")]
    protocols = [protocol for protocol in protocols if protocol]
    return protocols if all(map(grammar.PROTOCOL.fullmatch, protocols)) else []


def members(values: Iterable[bytes]) -> list[bytes]:
    """The members of a list-based field, in lower case, without empty ones. Source: RFC 9110, 5.6.1.2."""
    return [member for value in values for each in value.split(b",") if (member := each.strip(b" \t").lower())]
