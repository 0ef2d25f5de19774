"""What a client speaks, by its first bytes, at a port that does not say it: HTTP/1.x, HTTP/2, or anything else.

Whatever a lenient server could take for an HTTP/1.x request is HTTP here, so that it meets the policies for requests;
the strict reader of HTTP/1.1 refuses it then. So the case of method and version is ignored; white space before the
method is skipped, empty lines among it; any white space separates, a bare LF ends the line, and the target may be
anything. A line without a version is bytes: HTTP/0.9 has no fields and no status, and servers refuse it. So is TLS,
and what stands behind a header of the PROXY protocol: a port whose policies must see every request says that it speaks
HTTP.
Source: RFC 9112, 2.2 and 3; RFC 9113, 3.4.
"""

import re
from enum import Enum

from nodeproxy.protocol.syntax import TOKEN

DECIDED_BYTES = 8 * 1024  # as the longest request line that servers take by default (Apache, nginx)
HTTP2_LINE = b"PRI * HTTP/2.0\r\n"

_BLANK = rb"[\t\r\v\f\x1c-\x20\x85\xa0]"  # what servers in any language split a line at, e.g. Python's str.split
_FIRST_LINE = re.compile(rb"(?:" + _BLANK + rb"|\n)*+(?:" + TOKEN + rb"(?:" + _BLANK + rb"[^\n]*+)?)?(\n)?")
_PLAIN_LINE = re.compile(TOKEN + rb" [^ \n]++ HTTP/[0-9]")  # most lines, in a third of the time
_VERSION = re.compile(_BLANK + rb"HTTP/[0-9]", re.IGNORECASE)


class Detected(Enum):
    """The protocol of a connection."""

    HTTP1 = "HTTP/1.x"
    HTTP2 = "HTTP/2"
    BYTES = "bytes"


def detected(received: bytes) -> Detected | None:
    """What a client speaks that began with `received`; None while more bytes can change the answer.

    The answer is final. It is None for fewer than DECIDED_BYTES only, and only for what may be the beginning of a
    request line; a line that is longer is HTTP, for a server with larger limits would take it.
    """
    if _PLAIN_LINE.match(received, 0, DECIDED_BYTES) is not None and not received.startswith(b"PRI "):
        return Detected.HTTP1
    first = received[:DECIDED_BYTES]
    if HTTP2_LINE.startswith(first):
        return Detected.HTTP2 if len(first) == len(HTTP2_LINE) else None
    if first.startswith(HTTP2_LINE):
        return Detected.HTTP2
    line = _FIRST_LINE.match(first)
    assert line is not None  # it matches b""
    if _VERSION.search(first, 0, line.end()) is not None:
        return Detected.HTTP1
    if line[1] is not None or line.end() < len(first):
        return Detected.BYTES
    return None if len(first) < DECIDED_BYTES else Detected.HTTP1
