"""Heads of HTTP/1 messages: is it well-formed, how is its body framed, and which of its bytes go on.

Fields keep their order and their spelling: what goes on is the received head with the fields cut out that end at
this hop. A request or response that two readers could understand differently is refused, never repaired.
`scan.py` has these functions' compiled twin in their place where it was built.
"""

import re
from collections.abc import Container, Iterable
from typing import NamedTuple

from nodeproxy.errors import (
    BadRequest,
    BadResponse,
    ExpectationFailed,
    HeadTooLarge,
    MethodNotSupported,
    TargetTooLong,
    VersionNotSupported,
)
from nodeproxy.protocol import grammar

CHUNKED = -1
UNTIL_CLOSE = -2

_KEPT = {b"host", b"content-length", b"expect"}  # matter here, and go on all the same
_NOT_NOMINABLE = {b"host", b"content-length", b"close", b"keep-alive", b""}
_LENGTH_DIGITS = 18  # fits 63 bits with room; int() of a longer run of digits is also slow


class HeadLimits(NamedTuple):
    """How large a head may be."""

    head_bytes: int = 64 * 1024  # Envoy's 60 KiB, rounded up
    fields: int = 100  # Envoy's max_headers_count, Apache's LimitRequestFields
    line_bytes: int = 8 * 1024  # Apache's and nginx's request line; RFC 9112, 3 asks for 8000


class RequestHead(NamedTuple):
    """A request's head, understood. `target` is in origin-form (or `*`) whatever form the client used."""

    method: bytes
    target: bytes
    minor: int
    """Of HTTP/1.x as the client speaks it."""
    host: bytes
    """Whom it is for: the target's authority, else the Host field, else b"" (HTTP/1.0 only)."""
    length: int
    """Of the body: bytes, or CHUNKED."""
    persistent: bool
    """Whether the client lets its connection be used again."""
    expects: bool
    """Whether the client waits for 100 (Continue)."""
    service: bytes
    """The x-mesh-service field, b"" when there is none."""
    traceparent: bytes
    """As received, not validated; b"" when there is none, or more than one."""
    head: bytes
    """Request line and fields to send on; the mesh's own fields and the empty line are still to come."""
    end: int
    """Where the body begins in the scanned bytes."""


class ConnectAsked(MethodNotSupported):
    """A well-formed CONNECT. It is refused wherever nobody makes more of it than a request that is not supported."""

    def __init__(self, head: RequestHead) -> None:
        super().__init__(
            "CONNECT is understood once per connection, at the proxy's own address; send the request itself"
        )
        self.head = head
        """Its target is the authority; there is nothing of it to send on."""


class ResponseHead(NamedTuple):
    """A response's head, understood."""

    status: int
    length: int
    """Of the body if this status has one: bytes, CHUNKED or UNTIL_CLOSE."""
    persistent: bool
    head: bytes
    end: int


def scan_request(data: bytes, limits: HeadLimits) -> RequestHead | None:
    """The request head at the start of `data`, None while it is incomplete.

    Raises:
        BadRequest: it is not well-formed, ambiguous or beyond `limits`; the subclass names the status.
        ConnectAsked: it is a CONNECT.

    Source: RFC 9112, 3, 5 and 6.3.
    """
    size = data.find(b"\r\n\r\n") + 4
    line = data.find(b"\r\n", 0, limits.line_bytes)
    if line < 0 and len(data) > limits.line_bytes:
        raise TargetTooLong(f"the request line is longer than {limits.line_bytes} bytes")
    _check_size(data, size, limits, HeadTooLarge)
    if size < 4:
        _check_unfinished(data, BadRequest)
        return None
    start = grammar.REQUEST_LINE.match(data)
    if start is None:
        raise BadRequest("malformed request line")
    if start[3] != b"1" or start[4] not in (b"0", b"1"):
        raise VersionNotSupported("this port speaks HTTP/1.0 and HTTP/1.1")
    if _fields_end(data, start.end()) != size - 2:
        raise BadRequest("malformed header field")
    return _understood(start, data[:size], int(start[4]))


def _understood(start: re.Match[bytes], data: bytes, minor: int) -> RequestHead:
    found, onward = _sort(grammar.REQUEST_MATTERS.finditer(data, start.end() - 1), data, start.end())
    method, hosts, services = start[1], found.get(b"host", []), found.get(b"x-mesh-service", [b""])
    if len(hosts) > 1 or (minor and not hosts) or len(services) > 1:
        raise BadRequest(f"{len(hosts)} Host and {len(services)} x-mesh-service fields; one says where to go")
    host = hosts[0] if hosts else b""
    if host and grammar.HOST.fullmatch(host) is None:
        raise BadRequest("malformed Host")
    if not hosts:  # RFC 9112, 3.2: as HTTP/1.1 it goes on with a Host, an empty one where nobody is named
        onward = b"Host: \r\n" + onward
    target = start[2]
    if method == b"CONNECT":
        raise ConnectAsked(_connect(target, minor, found, len(data)))
    if not target.startswith(b"/"):
        target, authority = _other_form(method, target)
        if authority:
            # RFC 9112, 3.2.2: the target's authority wins, and Host is sent on as if generated from it
            host, onward = authority, _replace_host(onward, authority)
    expectations = found.get(b"expect", [])
    if any(value.lower() != b"100-continue" for value in expectations):
        raise ExpectationFailed("only Expect: 100-continue is understood")
    persistent, onward = _connection(found, onward, minor)
    traces = found.get(b"traceparent", [])
    return RequestHead(
        method=method,
        target=target,
        minor=minor,
        host=host,
        length=_length(found, minor, BadRequest) or 0,
        persistent=persistent,
        expects=bool(expectations) and minor == 1,
        service=services[0],
        traceparent=traces[0] if len(traces) == 1 else b"",
        head=b"%b %b HTTP/1.1\r\n%b" % (method, target, onward),
        end=len(data),
    )


def scan_response(data: bytes, limits: HeadLimits) -> ResponseHead | None:
    """The response head at the start of `data`, None while it is incomplete.

    Raises:
        BadResponse: it is not well-formed, ambiguous or beyond `limits`.

    Source: RFC 9112, 4, 5 and 6.3.
    """
    size = data.find(b"\r\n\r\n") + 4
    _check_size(data, size, limits, BadResponse)
    if size < 4:
        _check_unfinished(data, BadResponse)
        return None
    start = grammar.STATUS_LINE.match(data)
    if start is None:
        raise BadResponse("malformed status line")
    if _fields_end(data, start.end()) != size - 2:
        raise BadResponse("malformed header field")
    found, onward = _sort(grammar.RESPONSE_MATTERS.finditer(data, start.end() - 1, size), data[:size], start.end())
    minor = int(start[1])
    persistent, onward = _connection(found, onward, minor)
    length = _length(found, minor, BadResponse)
    line = b"HTTP/1.1" + data[8 : start.end()]
    return ResponseHead(int(start[2]), UNTIL_CLOSE if length is None else length, persistent, line + onward, size)


def without(fields: bytes, names: Container[bytes]) -> bytes:
    """The lines of `fields` but those called one of `names`, which are in lower case."""
    # Not an expression made of the names: a client chooses them, and compiling thousands takes a third of a second.
    return grammar.FIELD_LINE.sub(lambda line: b"" if line[1].lower() in names else line[0], fields)


def _fields_end(data: bytes, start: int) -> int:
    match = grammar.FIELDS.match(data, start)
    return match.end() if match else start


def _check_size(data: bytes, size: int, limits: HeadLimits, error: type[BadRequest | BadResponse]) -> None:
    if max(size, len(data) if size < 4 else 0) > limits.head_bytes:
        raise error(f"a head of more than {limits.head_bytes} bytes")
    if data.count(b"\n", 0, size if size >= 4 else len(data)) > limits.fields + 2:
        raise error(f"a head of more than {limits.fields} fields")


def _check_unfinished(data: bytes, error: type[BadRequest | BadResponse]) -> None:
    if grammar.BEGINNING.fullmatch(data) is None:
        raise error("a bare CR or LF, or a control byte")


def _sort(matches: Iterable[re.Match[bytes]], data: bytes, start: int) -> tuple[dict[bytes, list[bytes]], bytes]:
    """The fields that matter, by lower-case name, and the block of fields that goes on."""
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


def _length(found: dict[bytes, list[bytes]], minor: int, error: type[BadRequest | BadResponse]) -> int | None:
    """Bytes or CHUNKED, None when no field says. Source: RFC 9112, 6.3; doubtful framing is refused."""
    lengths, codings = found.get(b"content-length", []), found.get(b"transfer-encoding", [])
    if codings:
        if lengths or minor == 0:
            raise error("Transfer-Encoding with Content-Length, or in HTTP/1.0")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise error("a Transfer-Encoding other than chunked")
        return CHUNKED
    if not lengths:
        return None
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > _LENGTH_DIGITS:
        raise error("Content-Length is not one number")
    return int(lengths[0])


def _connection(found: dict[bytes, list[bytes]], onward: bytes, minor: int) -> tuple[bool, bytes]:
    """Whether the connection persists, and the fields without those that Connection nominates.

    Host and Content-Length cannot be nominated away: they decide where a request goes and where it ends.
    """
    if b"connection" not in found:
        return minor == 1, onward
    options = {option.strip(b" \t").lower() for value in found[b"connection"] for option in value.split(b",")}
    nominated = options - _NOT_NOMINABLE
    if nominated:
        onward = without(onward, nominated)
    return b"close" not in options and (minor == 1 or b"keep-alive" in options), onward


def _other_form(method: bytes, target: bytes) -> tuple[bytes, bytes]:
    """(origin-form, authority) of a target that is not in origin-form. Source: RFC 9112, 3.2."""
    if target == b"*" and method == b"OPTIONS":
        return target, b""
    match = grammar.ABSOLUTE.fullmatch(target)
    if match is None:
        raise BadRequest("a target is a path, or http://<name>/<path>")
    path = match[2] or (b"*" if method == b"OPTIONS" else b"/")
    return (path if path[:1] in b"/*" else b"/" + path), match[1]


def _connect(target: bytes, minor: int, found: dict[bytes, list[bytes]], end: int) -> RequestHead:
    """The head of a CONNECT. Source: RFC 9110, 9.3.6; RFC 9112, 3.2.3 (authority-form)."""
    match = grammar.CONNECT_TARGET.fullmatch(target)
    if match is None or not 0 < int(match[1]) < 65536:
        raise BadRequest("the target of CONNECT is <name>:<port>")
    if _length(found, minor, BadRequest):
        raise BadRequest("CONNECT with a body: what follows its head are the next requests")
    return RequestHead(b"CONNECT", target, minor, target, 0, True, False, b"", b"", b"", end)


def _replace_host(onward: bytes, authority: bytes) -> bytes:
    return b"Host: %b\r\n%b" % (authority, without(onward, (b"host",)))
