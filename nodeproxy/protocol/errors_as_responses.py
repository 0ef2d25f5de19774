"""The responses the mesh makes itself."""

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from nodeproxy.errors import ProxyError


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


def own_head(status: int, length: int, content_type: bytes, fields: bytes, unix_s: float) -> bytes:
    """The head of a response that the mesh makes at `unix_s` (wall clock), its last empty line left out."""
    line = b"HTTP/1.1 %d %b\r\n%b" % (status, reason_phrase(status), date_line(unix_s))
    if status < 200 or status == 204:  # RFC 9110, 8.6: no Content-Length in these
        return line + fields
    return line + b"Content-Type: %b\r\nContent-Length: %d\r\n%b" % (content_type, length, fields)


def error_head_and_body(error: ProxyError, unix_s: float) -> tuple[bytes, bytes]:
    """What tells a client about `error`: which part failed in `x-mesh-error`, one line of text to act on."""
    body = f"nodeproxy: {error.reason}: {error}\n".encode()
    fields = b"x-mesh-error: %b\r\n" % error.reason.encode()
    return own_head(error.status, len(body), b"text/plain; charset=utf-8", fields, unix_s), body
