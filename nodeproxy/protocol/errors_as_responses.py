"""The responses the mesh makes itself."""

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from nodeproxy.errors import ProxyError
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Response


def reason_phrase(status: int) -> bytes:
    """The registered phrase of `status`, empty for a number without one."""
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


def date_line(unix_s: float) -> bytes:
    """The field Date for a message made, or received without one, at `unix_s` (wall clock)."""
    return _date_line(int(unix_s))


@lru_cache(maxsize=1)  # a second lasts for thousands of responses
def _date_line(second: int) -> bytes:
    return b"Date: %b\r\n" % formatdate(second, usegmt=True).encode()


def own_response(status: int, body: bytes, content_type: bytes, lines: bytes = b"") -> Response:
    """A response that the mesh makes, with these field lines beside those about its body."""
    if status >= 200 and status != 204:  # RFC 9110, 8.6: no Content-Length in these
        lines = b"Content-Type: %b\r\nContent-Length: %d\r\n%b" % (content_type, len(body), lines)
    response = Response(status, Fields(lines), len(body), body)
    response.phrase = reason_phrase(status)
    return response


def error_response(error: ProxyError) -> Response:
    """Reports `error` to a client: which part failed in `x-mesh-error`, one line of text to act on."""
    body = f"nodeproxy: {error.reason}: {error}\n".encode()
    lines = b"x-mesh-error: %b\r\n" % error.reason.encode()
    response = own_response(error.status, body, b"text/plain; charset=utf-8", lines)
    response.reason = error.reason
    return response
