"""Parses and validates heads of HTTP/1 responses.

`scan.py` replaces `scan_response` by its compiled twin if that was built.
"""

from typing import NamedTuple

from nodeproxy.errors import BadResponse, ResponseHeadersTooLarge
from nodeproxy.protocol.fields import Fields, without
from nodeproxy.protocol.http1 import grammar
from nodeproxy.protocol.http1.head import (
    HeadLimits,
    check_size,
    check_unfinished,
    fields_end,
    is_persistent,
    length,
    nominated,
    offered,
    sort,
)
from nodeproxy.protocol.message import UNKNOWN, Response

_VERSION = b"HTTP/1."
_SETTINGS = b"\4\0\0\0\0\0"  # kind, flags and stream of the frame with which an HTTP/2 server begins (RFC 9113, 3.4)
_VERSIONS = (b"1.0", b"1.1")


class ResponseHead(NamedTuple):
    """A response, and the connection options of its head."""

    response: Response
    """Its `length` is the announced one, even if this response has no body (HEAD)."""
    framed: bool
    """Whether the head frames the body; otherwise the body is delimited by close."""
    persistent: bool
    nominated: tuple[bytes, ...]
    """See RequestHead."""
    end: int


def scan_response(data: bytes, limits: HeadLimits) -> ResponseHead | None:
    """The response head at the start of `data`, None while it is incomplete.

    Raises:
        BadResponse: the head is malformed, ambiguous or beyond `limits`.

    Source: RFC 9112, 4, 5 and 6.3.
    """
    size = data.find(b"\r\n\r\n") + 4
    check_size(data, size, limits, ResponseHeadersTooLarge)
    if not data.startswith(_VERSION) and not _VERSION.startswith(data):
        if data[3:9] == _SETTINGS:
            raise BadResponse(
                "the endpoint speaks HTTP/2, and its port says HTTP/1.1; name the port grpc or http2, or set its "
                "appProtocol to kubernetes.io/h2c"
            )
        raise BadResponse("what the endpoint sent is no HTTP/1 response; check which protocol its port speaks")
    if size < 4:
        check_unfinished(data, BadResponse)
        return None
    start = grammar.STATUS_LINE.match(data)
    if start is None:
        raise BadResponse("malformed status line")
    if fields_end(data, start.end()) != size - 2:
        mended = grammar.BLANK_BEFORE_COLON.sub(rb"\1:", data[:size])
        if len(mended) == size:
            raise BadResponse("malformed header field")
        head = scan_response(mended, limits)  # RFC 9112, 5.1: white space before a colon is removed from responses
        return None if head is None else head._replace(end=size)
    found, block = sort(grammar.RESPONSE_MATTERS.finditer(data, start.end() - 1, size), data[:size], start.end())
    minor, status = int(start[1]), int(start[2])
    named, block = nominated(found, block)
    if status == 426 and b"upgrade" in found:  # RFC 9110, 15.5.22: a 426 must contain Upgrade
        block += b"Upgrade: %b\r\nConnection: Upgrade\r\n" % b", ".join(found[b"upgrade"])
    size_of_body = length(found, minor, BadResponse)
    if size_of_body is not None and (status < 200 or status == 204):
        block = without(block, {b"content-length"})  # RFC 9110, 8.6: not allowed for these statuses
    response = Response(status, Fields(block), UNKNOWN if size_of_body is None else size_of_body)
    response.phrase = data[: start.end() - 2][13:]  # an empty phrase may have no blank before it
    response.version = _VERSIONS[minor]
    response.dated = b"date" in found
    if status == 101 and not size_of_body:
        response.upgrade = b", ".join(offered(found, minor))
    return ResponseHead(response, size_of_body is not None, is_persistent(found, minor), named, size)
