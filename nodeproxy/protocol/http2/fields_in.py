"""Rules common to the fields of received requests, responses and trailers. Source: RFC 9113, 8.2 and 8.3.

A value that HTTP/1 could read as the end of its line, or as a different value, is refused and never repaired: fields
are forwarded as HTTP/1 field lines.
"""

import re
from collections.abc import Container, Iterable
from typing import NamedTuple

from nodeproxy.protocol.http1.head import LENGTH_DIGITS
from nodeproxy.protocol.http2.errors import MalformedRequest, MalformedResponse
from nodeproxy.protocol.http2.hpack.static_table import Pair
from nodeproxy.protocol.message import UNKNOWN
from nodeproxy.protocol.syntax import VALUE

Malformed = type[MalformedRequest] | type[MalformedResponse]

PSEUDO_MOST = 5  # pseudo-fields in a message: those of an extended CONNECT
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]++")  # a token without upper case
_VALUE = re.compile(rb"(?![\t ])" + VALUE + rb"(?<![\t ])")
_OF_A_CONNECTION = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_KEPT = (b"content-length", b"expect", b"traceparent", b"date")  # read here, and forwarded


class Sorted(NamedTuple):
    """The fields of one message."""

    pseudo: dict[bytes, bytes]
    found: dict[bytes, list[bytes]]
    """The values of fields that the proxy interprets, by name."""
    block: bytes
    """The other fields, and those interpreted and forwarded, as HTTP/1 field lines."""


def sort(pairs: Iterable[Pair], pseudo_names: Container[bytes], apart: Container[bytes], error: Malformed) -> Sorted:
    """Validate the fields of a message; those in `apart` are only among `found`.

    Raises:
        MalformedRequest, MalformedResponse: `error`, if a field is not allowed in HTTP/2.
    """
    pseudo: dict[bytes, bytes] = {}
    found: dict[bytes, list[bytes]] = {}
    lines: list[bytes] = []
    cookie = -1  # the place of its line
    for name, value in pairs:
        if _VALUE.fullmatch(value) is None:
            raise error(f"the value of {_shown(name)} has a control byte, or white space at an end")
        if name.startswith(b":"):
            if name not in pseudo_names or name in pseudo or lines or found:
                raise error(f"{_shown(name)} is unknown, repeated, or after other fields")
            pseudo[name] = value
            continue
        _check_name(name, value, error)
        if name in apart:
            found.setdefault(name, []).append(value)
            continue
        if name in _KEPT:
            found.setdefault(name, []).append(value)
        elif name == b"cookie":
            found.setdefault(name, []).append(value)
            if cookie >= 0:
                continue
            cookie = len(lines)
        lines.append(b"%b: %b\r\n" % (name, value))
    if cookie >= 0:  # RFC 9113, 8.2.3: crumbs are one field for HTTP/1
        lines[cookie] = b"cookie: %b\r\n" % b"; ".join(found[b"cookie"])
    return Sorted(pseudo, found, b"".join(lines))


def _check_name(name: bytes, value: bytes, error: Malformed) -> None:
    if _NAME.fullmatch(name) is None:
        raise error(f"{_shown(name)} is not a field name in lower case")
    if name in _OF_A_CONNECTION or (name == b"te" and value.lower() != b"trailers"):
        raise error(f"{_shown(name)} is a field of HTTP/1 connections (RFC 9113, 8.2.2)")


def length(found: dict[bytes, list[bytes]], ended: bool, error: Malformed) -> int:
    """The length of the body in bytes; UNKNOWN if no field announces it and the message has not `ended`.

    Raises:
        MalformedRequest, MalformedResponse: `error`, if Content-Length is not one number.
    """
    lengths = found.get(b"content-length")
    if lengths is None:
        return 0 if ended else UNKNOWN
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > LENGTH_DIGITS:
        raise error("content-length is not one number")
    return int(lengths[0])


def _shown(name: bytes) -> str:
    return ascii(name[:64].decode("latin-1"))
