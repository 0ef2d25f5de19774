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
    CodingNotSupported,
    ExpectationFailed,
    ForwardsUsedUp,
    HeadTooLarge,
    MethodNotSupported,
    TargetTooLong,
    VersionNotSupported,
)
from nodeproxy.protocol.http1 import grammar

CHUNKED = -1
UNTIL_CLOSE = -2

_VERSION = b"HTTP/1."
_KEPT = {b"host", b"content-length", b"expect", b"traceparent", b"date"}  # matter here, and go on all the same
_NOT_NOMINABLE = {b"host", b"content-length", b"close", b"keep-alive"}
_COUNTED = (b"TRACE", b"OPTIONS")  # methods whose forwards may be limited
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
    traced: bool
    """Whether it has a traceparent field, valid or not; that goes on as it came."""
    nominated: tuple[bytes, ...]
    """What its Connection field nominates, in lower case: fields that end at this hop, trailers too."""
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
    """Of the body if this status has one: bytes, CHUNKED or UNTIL_CLOSE. What a status without a body announces."""
    persistent: bool
    minor: int
    """Of HTTP/1.x as the endpoint speaks it."""
    dated: bool
    """Whether it has a Date field."""
    nominated: tuple[bytes, ...]
    """See RequestHead."""
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
    expectations = _members(found.get(b"expect", []))
    if any(member != b"100-continue" for member in expectations):
        raise ExpectationFailed("only Expect: 100-continue is understood")
    nominated, onward = _nominated(found, onward)
    onward = _for_the_next_hop(found, onward, method, minor)
    # RFC 9112, 9.3: no persistent connection between a proxy and an HTTP/1.0 client; absolute-form is said to proxies.
    persistent = _is_persistent(found, minor) and (minor == 1 or start[2].startswith(b"/"))
    return RequestHead(
        method=method,
        target=target,
        minor=minor,
        host=host,
        length=_length(found, minor, BadRequest) or 0,
        persistent=persistent,
        expects=bool(expectations) and minor == 1,
        service=services[0],
        traced=b"traceparent" in found,
        nominated=nominated,
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
    if not data.startswith(_VERSION) and not _VERSION.startswith(data):
        raise BadResponse("what the endpoint sent is no HTTP/1 response; check which protocol its port speaks")
    if size < 4:
        _check_unfinished(data, BadResponse)
        return None
    start = grammar.STATUS_LINE.match(data)
    if start is None:
        raise BadResponse("malformed status line")
    if _fields_end(data, start.end()) != size - 2:
        mended = grammar.BLANK_BEFORE_COLON.sub(rb"\1:", data[:size])
        if len(mended) == size:
            raise BadResponse("malformed header field")
        head = scan_response(mended, limits)  # RFC 9112, 5.1: such blanks of a response are removed
        return None if head is None else head._replace(end=size)
    found, onward = _sort(grammar.RESPONSE_MATTERS.finditer(data, start.end() - 1, size), data[:size], start.end())
    minor, status = int(start[1]), int(start[2])
    nominated, onward = _nominated(found, onward)
    if status == 426 and b"upgrade" in found:  # RFC 9110, 15.5.22: the answer is of no use without it
        onward += b"Upgrade: %b\r\nConnection: Upgrade\r\n" % b", ".join(found[b"upgrade"])
    length = _length(found, minor, BadResponse)
    if length is not None and (status < 200 or status == 204):
        onward = without(onward, {b"content-length"})  # RFC 9110, 8.6: not in these, whatever their sender thinks
    # RFC 9112, 4: the space is sent even where no reason phrase is
    line = b"HTTP/1.1" + (data[8:12] + b" \r\n" if data[12:13] == b"\r" else data[8 : start.end()])
    return ResponseHead(
        status=status,
        length=UNTIL_CLOSE if length is None else length,
        persistent=_is_persistent(found, minor),
        minor=minor,
        dated=b"date" in found,
        nominated=nominated,
        head=line + onward,
        end=size,
    )


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
            *others, last = (coding.strip(b" \t").lower() for value in codings for coding in value.split(b","))
            if error is BadRequest and last == b"chunked" and last not in others and b"" not in others:
                # RFC 9112, 6.1: framed, and still not understood
                raise CodingNotSupported("a transfer coding before chunked; chunked alone is understood")
            raise error("a Transfer-Encoding other than chunked")
        return CHUNKED
    if not lengths:
        return None
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > _LENGTH_DIGITS:
        raise error("Content-Length is not one number")
    return int(lengths[0])


def _nominated(found: dict[bytes, list[bytes]], onward: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """What Connection nominates, and the fields without those.

    Host and Content-Length cannot be nominated away: they decide where a request goes and where it ends.
    """
    if b"connection" not in found:
        return (), onward
    nominated = tuple(sorted(set(_members(found[b"connection"])) - _NOT_NOMINABLE))
    return nominated, without(onward, frozenset(nominated)) if nominated else onward


def _is_persistent(found: dict[bytes, list[bytes]], minor: int) -> bool:
    """Source: RFC 9112, 9.3."""
    options = _members(found.get(b"connection", []))
    return b"close" not in options and (minor == 1 or b"keep-alive" in options)


def _for_the_next_hop(found: dict[bytes, list[bytes]], onward: bytes, method: bytes, minor: int) -> bytes:
    """The fields with what a hop has to change in them."""
    if method in _COUNTED:
        onward = _counted(onward, method)
    # RFC 9110, 10.1.4: trailers are passed on, and so is a client's word that it takes them, if it is meant for a hop.
    if minor and b"te" in _members(found.get(b"connection", [])) and b"trailers" in _members(found.get(b"te", [])):
        onward += b"TE: trailers\r\nConnection: TE\r\n"
    if not minor and b"expect" in found:  # RFC 9110, 10.1.1: an HTTP/1.0 client expects nothing
        onward = without(onward, (b"expect",))
    return onward


def _counted(onward: bytes, method: bytes) -> bytes:
    """The fields with Max-Forwards, if there is one, counted down. Source: RFC 9110, 7.6.2."""
    values = [line[0].partition(b":")[2].strip() for line in grammar.FIELD_LINE.finditer(onward)
              if line[1].lower() == b"max-forwards"]  # fmt: skip
    if not values:
        return onward
    if len(values) > 1 or not values[0].isdigit() or len(values[0]) > _LENGTH_DIGITS:
        raise BadRequest("Max-Forwards is not one number")
    if int(values[0]) == 0:
        if method == b"TRACE":
            raise MethodNotSupported("Max-Forwards ends TRACE at the mesh, which reflects no request")
        raise ForwardsUsedUp("Max-Forwards ends OPTIONS at the mesh, which sends all methods on")
    return b"%bMax-Forwards: %d\r\n" % (without(onward, (b"max-forwards",)), int(values[0]) - 1)


def _members(values: Iterable[bytes]) -> list[bytes]:
    """The members of a list-based field, in lower case; empty ones do not count. Source: RFC 9110, 5.6.1.2."""
    return [member for value in values for each in value.split(b",") if (member := each.strip(b" \t").lower())]


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
    return RequestHead(b"CONNECT", target, minor, target, 0, True, False, b"", False, (), b"", end)


def _replace_host(onward: bytes, authority: bytes) -> bytes:
    return b"Host: %b\r\n%b" % (authority, without(onward, (b"host",)))
