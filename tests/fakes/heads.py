"""What was read of a head, flat: with the bytes that go on, as the side that sends writes them."""

from types import SimpleNamespace
from typing import NamedTuple

from nodeproxy.protocol.http1.sending import request_head, response_head
from nodeproxy.protocol.message import UNKNOWN

CHUNKED, UNTIL_CLOSE = UNKNOWN, -2


class SeenRequest(NamedTuple):
    method: bytes
    target: bytes
    minor: int
    host: bytes
    length: int
    persistent: bool
    expects: bool
    service: bytes
    traced: bool
    nominated: tuple[bytes, ...]
    head: bytes
    """Without what frames its body, and without its empty line."""
    end: int
    version: bytes
    scheme: bytes
    upgrade: bytes


class SeenResponse(NamedTuple):
    status: int
    length: int
    persistent: bool
    minor: int
    dated: bool
    nominated: tuple[bytes, ...]
    head: bytes
    end: int
    rest: tuple


def seen_request(head):
    """A RequestHead, or None."""
    if head is None:
        return None
    request, minor, persistent, nominated, end = head
    sent = request_head(request, b"").removesuffix(b"\r\n").removesuffix(b"Transfer-Encoding: chunked\r\n")
    return SeenRequest(
        request.method, request.path, minor, request.authority, request.length, persistent, request.expects,
        request.service, request.traced, nominated, sent, end, request.version, request.scheme, request.upgrade,
    )  # fmt: skip


def seen_response(head):
    """A ResponseHead, or None."""
    if head is None:
        return None
    response, framed, persistent, nominated, end = head
    return SeenResponse(
        response.status, response.length if framed else UNTIL_CLOSE, persistent, int(response.version[2:]),
        response.dated, nominated, response_head(response, b""), end,
        (response.first, response.body, response.attempt, response.reason, response.upgrade, response.tunnel),
    )  # fmt: skip


def flat(scan_request, scan_response):
    """The two scanners, with what they return flat."""
    return SimpleNamespace(
        scan_request=lambda *arguments: seen_request(scan_request(*arguments)),
        scan_response=lambda *arguments: seen_response(scan_response(*arguments)),
    )
