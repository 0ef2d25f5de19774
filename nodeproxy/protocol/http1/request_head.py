"""Parses and validates heads of HTTP/1 requests.

`scan.py` replaces `scan_request` by its compiled twin if that was built.
"""

import re
from typing import NamedTuple

from nodeproxy.errors import (
    BadRequest,
    ExpectationFailed,
    HeadTooLarge,
    MethodNotSupported,
    TargetTooLong,
    VersionNotSupported,
)
from nodeproxy.protocol import max_forwards
from nodeproxy.protocol.fields import Fields, without
from nodeproxy.protocol.http1 import grammar
from nodeproxy.protocol.http1.head import (
    HeadLimits,
    check_size,
    check_unfinished,
    fields_end,
    is_persistent,
    length,
    members,
    nominated,
    offered,
    sort,
)
from nodeproxy.protocol.message import Request

_VERSIONS = (b"1.0", b"1.1")
# Never forwarded: requests after such an upgrade would bypass the policies.
_HTTP_AGAIN = (b"h2c", b"h2", b"http", b"tls")


class RequestHead(NamedTuple):
    """A request, and the connection options of its head."""

    request: Request
    minor: int
    """Minor version of the client's HTTP/1.x."""
    persistent: bool
    """Whether the client allows its connection to be reused."""
    nominated: tuple[bytes, ...]
    """Names nominated by its field Connection, in lower case: hop-by-hop fields and trailers."""
    end: int
    """Offset of the body in the scanned bytes."""


class ConnectAsked(MethodNotSupported):
    """A well-formed CONNECT. It is rejected as an unsupported method unless a caller handles this error."""

    def __init__(self, head: RequestHead) -> None:
        super().__init__(
            "CONNECT is understood once per connection, at the proxy's own address; send the request itself"
        )
        self.head = head
        """The request's path is its authority; it is never forwarded."""


def scan_request(data: bytes, limits: HeadLimits) -> RequestHead | None:
    """The request head at the start of `data`, None while it is incomplete.

    Raises:
        BadRequest: the head is malformed, ambiguous or beyond `limits`; subclasses have their own status.
        ConnectAsked: the method is CONNECT.

    Source: RFC 9112, 3, 5 and 6.3.
    """
    size = data.find(b"\r\n\r\n") + 4
    line = data.find(b"\r\n", 0, limits.line_bytes)
    if line < 0 and len(data) > limits.line_bytes:
        raise TargetTooLong(f"the request line is longer than {limits.line_bytes} bytes")
    check_size(data, size, limits, HeadTooLarge)
    if size < 4:
        check_unfinished(data, BadRequest)
        return None
    start = grammar.REQUEST_LINE.match(data)
    if start is None:
        raise BadRequest("malformed request line")
    if start[3] != b"1" or start[4] not in (b"0", b"1"):
        raise VersionNotSupported("this port speaks HTTP/1.0 and HTTP/1.1")
    if fields_end(data, start.end()) != size - 2:
        raise BadRequest("malformed header field")
    return _understood(start, data[:size], int(start[4]))


def _understood(start: re.Match[bytes], data: bytes, minor: int) -> RequestHead:
    found, block = sort(grammar.REQUEST_MATTERS.finditer(data, start.end() - 1), data, start.end())
    method, hosts, services = start[1], found.get(b"host", []), found.get(b"x-mesh-service", [b""])
    if len(hosts) > 1 or (minor and not hosts) or len(services) > 1:
        raise BadRequest(f"{len(hosts)} Host and {len(services)} x-mesh-service fields; one says where to go")
    host = hosts[0] if hosts else b""
    if host and grammar.HOST.fullmatch(host) is None:
        raise BadRequest("malformed Host")
    if not hosts:  # RFC 9112, 3.2: a request forwarded as HTTP/1.1 needs a Host, empty if the client sent none
        block = b"Host: \r\n" + block
    target = start[2]
    if method == b"CONNECT":
        raise ConnectAsked(_connect(target, minor, found, len(data)))
    if not target.startswith(b"/"):
        target, authority = _other_form(method, target)
        if authority:
            # RFC 9112, 3.2.2: the target's authority replaces Host
            host, block = authority, _replace_host(block, authority)
    expectations = members(found.get(b"expect", []))
    if any(member != b"100-continue" for member in expectations):
        raise ExpectationFailed("only Expect: 100-continue is understood")
    named, block = nominated(found, block)
    block = max_forwards.counted(block, method)
    if not minor and b"expect" in found:  # RFC 9110, 10.1.1: Expect is ignored in HTTP/1.0
        block = without(block, (b"expect",))
    request = Request(method, host, target, Fields(block), length(found, minor, BadRequest) or 0)
    request.version = _VERSIONS[minor]
    request.expects = bool(expectations) and minor == 1
    # RFC 9110, 10.1.4: `TE: trailers` is valid only if Connection nominates TE.
    connection, codings = members(found.get(b"connection", [])), members(found.get(b"te", []))
    request.takes_trailers = minor == 1 and b"te" in connection and b"trailers" in codings
    request.service = services[0]
    request.traced = b"traceparent" in found
    if b"upgrade" in found and not request.length:
        protocols = [each for each in offered(found, minor) if each.partition(b"/")[0].lower() not in _HTTP_AGAIN]
        request.upgrade = b", ".join(protocols)
    # RFC 9112, 9.3: no persistent connection of an HTTP/1.0 client with a proxy, to which clients send absolute-form.
    persistent = is_persistent(found, minor) and (minor == 1 or start[2].startswith(b"/"))
    return RequestHead(request, minor, persistent, named, len(data))


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
    if length(found, minor, BadRequest):
        raise BadRequest("CONNECT with a body: what follows its head are the next requests")
    request = Request(b"CONNECT", target, target, Fields())
    request.version = _VERSIONS[minor]
    return RequestHead(request, minor, True, (), end)


def _replace_host(block: bytes, authority: bytes) -> bytes:
    return b"Host: %b\r\n%b" % (authority, without(block, (b"host",)))
