"""Makes requests of decoded fields, by the rules of HTTP/1 (`http1/request_head.py`) and RFC 9113, 8.3.1."""

import re
from collections.abc import Sequence

from nodeproxy.errors import BadRequest, ExpectationFailed, HeadTooLarge, MethodNotSupported, TargetTooLong
from nodeproxy.protocol import max_forwards
from nodeproxy.protocol.fields import Fields, without
from nodeproxy.protocol.http1 import grammar
from nodeproxy.protocol.http1.head import HeadLimits, members
from nodeproxy.protocol.http2.errors import MalformedRequest
from nodeproxy.protocol.http2.fields_in import Sorted, length, sort
from nodeproxy.protocol.http2.hpack.static_table import Pair
from nodeproxy.protocol.message import Request
from nodeproxy.protocol.syntax import TOKEN
from nodeproxy.protocol.websocket import KEY, WEBSOCKET

VERSION = b"2"
_PSEUDO = frozenset((b":method", b":scheme", b":authority", b":path", b":protocol"))
_OF_CONNECT = {b":method", b":authority"}
_OF_EXTENDED_CONNECT = {*_PSEUDO}
_SCHEMES = (b"http", b"https")
_SAID = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"x-real-ip")
# CGI-like servers read underscores as dashes; these spellings are removed, and never read.
_UNDERSCORED = frozenset((
    *(b"x%bforwarded%b%b" % (first, second, last) for first in (b"-", b"_") for second in (b"-", b"_")
      for last in (b"for", b"proto", b"host")),
    *(b"x%breal%bip" % (first, second) for first in (b"-", b"_") for second in (b"-", b"_")),
)) - frozenset(_SAID)  # fmt: skip
_APART = frozenset((b"host", b"te", b"x-mesh-service", *_SAID, *_UNDERSCORED))
_METHOD = re.compile(TOKEN)
_TARGET = re.compile(grammar.TARGET)
_LINE_EXTRA_BYTES = len(b"  HTTP/1.1\r\n")


def read_request(pairs: Sequence[Pair], ended: bool, limits: HeadLimits) -> tuple[Request, bytes]:
    """The request of decoded fields, and `Frame.said`. `ended` is whether no body follows.

    An extended CONNECT is the GET with an `upgrade` that it would be in HTTP/1.1, without its key (RFC 8441, 5).

    Raises:
        MalformedRequest: the fields are no request, or an ambiguous one.
        BadRequest: a request that is refused as over HTTP/1; subclasses have their own status.
    """
    fields = sort(pairs, _PSEUDO, _APART, MalformedRequest)
    pseudo, found, block = fields
    method = pseudo.get(b":method", b"")
    size = length(found, ended, MalformedRequest)
    if ended and size:
        raise MalformedRequest("a content-length of more than 0 without a body")
    upgrade = b""
    if method == b"CONNECT":
        upgrade = _protocol(pseudo, found, size, ended)
        method, size, block = b"GET", 0, without(block, (KEY,))
    authority, path = _target(fields, method)
    # :authority is the field host of HTTP/1, which counts
    if len(pairs) - len(pseudo) + (b":authority" in pseudo) > limits.fields:
        raise HeadTooLarge(f"a head of more than {limits.fields} fields")
    if len(method) + len(path) + _LINE_EXTRA_BYTES > limits.line_bytes:
        raise TargetTooLong(f"the method and path are longer than a request line of {limits.line_bytes} bytes")
    services = found.get(b"x-mesh-service", [b""])
    if len(services) > 1:
        raise BadRequest(f"{len(services)} x-mesh-service fields; one says where to go")
    expectations = members(found.get(b"expect", []))
    if any(member != b"100-continue" for member in expectations):
        raise ExpectationFailed("only Expect: 100-continue is understood")
    block = max_forwards.counted(b"host: %b\r\n%b" % (authority, block), method)
    request = Request(method, authority, path, Fields(block), size)
    request.version = VERSION
    request.expects = bool(expectations)
    request.takes_trailers = b"te" in found
    request.service = services[0]
    request.traced = b"traceparent" in found
    request.upgrade = upgrade
    return request, _said(pairs, found)


def _target(fields: Sorted, method: bytes) -> tuple[bytes, bytes]:
    """Authority and path, in valid pseudo-fields. Source: RFC 9113, 8.3.1."""
    pseudo = fields.pseudo
    if b":protocol" in pseudo and pseudo.get(b":method") != b"CONNECT":
        raise MalformedRequest(":protocol belongs to CONNECT")
    if _METHOD.fullmatch(method) is None:
        raise MalformedRequest(":method is missing or malformed")
    if pseudo.get(b":scheme", b"").lower() not in _SCHEMES:
        raise MalformedRequest(":scheme is missing or other than http and https")
    path = pseudo.get(b":path", b"")
    if _TARGET.fullmatch(path) is None or not (path.startswith(b"/") or (path == b"*" and method == b"OPTIONS")):
        raise MalformedRequest(":path is missing or malformed")
    return _authority(fields), path


def _authority(fields: Sorted) -> bytes:
    hosts = fields.found.get(b"host", [])
    authority = fields.pseudo.get(b":authority")
    if authority is None:
        authority = hosts[0] if hosts else b""
    if len(hosts) > 1 or (hosts and hosts[0].lower() != authority.lower()):
        raise MalformedRequest("several hosts, or a host that differs from :authority")
    if grammar.HOST.fullmatch(authority) is None:
        raise MalformedRequest(":authority is missing or malformed")
    return authority


def _protocol(pseudo: dict[bytes, bytes], found: dict[bytes, list[bytes]], size: int, ended: bool) -> bytes:
    """The protocol of an extended CONNECT. Source: RFC 8441, 4 and 5."""
    if b":protocol" not in pseudo:
        raise _connect(pseudo, size)
    if pseudo.keys() != _OF_EXTENDED_CONNECT:
        raise MalformedRequest("an extended CONNECT has :scheme, :path and :authority")
    if pseudo[b":protocol"].lower() != WEBSOCKET:
        raise MethodNotSupported("extended CONNECT to another protocol than websocket is not supported")
    if b"content-length" in found or ended:  # RFC 9110, 9.3.6: it has no content
        raise MalformedRequest("an extended CONNECT with a content-length, or whose stream ends with its head")
    return WEBSOCKET


def _connect(pseudo: dict[bytes, bytes], size: int) -> BadRequest:
    """The error for a CONNECT. Source: RFC 9113, 8.5."""
    match = grammar.CONNECT_TARGET.fullmatch(pseudo.get(b":authority", b""))
    if pseudo.keys() != _OF_CONNECT or match is None or not 0 < int(match[1]) < 65536:
        return MalformedRequest("a CONNECT has :method and an :authority <name>:<port>, and no other pseudo-field")
    if size > 0:
        return MalformedRequest("CONNECT with a body")
    return MethodNotSupported("CONNECT is not supported over HTTP/2; send the request itself")


def _said(pairs: Sequence[Pair], found: dict[bytes, list[bytes]]) -> bytes:
    if found.keys().isdisjoint(_SAID):
        return b""
    return b"\n" + b"".join([b"%b: %b\r\n" % pair for pair in pairs if pair[0] in _SAID])
