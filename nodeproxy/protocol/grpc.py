"""gRPC as a proxy sees it: which requests are calls, their deadline, and the status that a response ends with.

gRPC-Web is not gRPC: it has its status in the body, and is forwarded like any other request.
Source: grpc/doc/PROTOCOL-HTTP2.md; http-grpc-status-mapping.md.
"""

import re
from math import inf

from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Request, Response

OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED = range(8)
RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = range(8, 15)
DATA_LOSS, UNAUTHENTICATED = 15, 16
NAMES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
ABSENT = -1
"""In the place of a status: there is none."""

# What a client makes of a response without a grpc-status, and so what the mesh says in the place of its own responses.
# The table of gRPC, which says UNAVAILABLE for 429 and 504 as well: here both come from the mesh, which is more exact.
# 413 and 431: gRPC's servers report messages and metadata that are too large as RESOURCE_EXHAUSTED.
_OF_HTTP = {
    400: INTERNAL, 401: UNAUTHENTICATED, 403: PERMISSION_DENIED, 404: UNIMPLEMENTED, 408: DEADLINE_EXCEEDED,
    413: RESOURCE_EXHAUSTED, 429: RESOURCE_EXHAUSTED, 431: RESOURCE_EXHAUSTED, 499: CANCELLED, 502: UNAVAILABLE,
    503: UNAVAILABLE, 504: DEADLINE_EXCEEDED,
}  # fmt: skip
# Google's API design guide, as Envoy's grpcToHttpStatus.
_TO_HTTP = (200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401)
# The table of PROTOCOL-HTTP2.md for RST_STREAM; all other codes are INTERNAL.
_OF_RESET = {7: UNAVAILABLE, 8: CANCELLED, 11: RESOURCE_EXHAUSTED, 12: PERMISSION_DENIED}

_CALL = b"\ncontent-type: application/grpc"
_REST_OF_TYPE = b"\r+; \t"  # what follows it: "application/grpc-web" is something else
_TIMEOUT = b"\r\ngrpc-timeout: "  # behind the line of the host
_STATUS = re.compile(rb"(?:\A|\n)grpc-status:[ \t]*([0-9]{1,2})[ \t]*\r", re.IGNORECASE)
_WELL = b"grpc-status: 0\r"
_UNITS_S = dict(zip(b"HMSmun", (3600.0, 60.0, 1.0, 1e-3, 1e-6, 1e-9), strict=True))
_ENCODED = re.compile(rb"[^\x20-\x24\x26-\x7e]")
MESSAGE_BYTES = 1024  # of a grpc-message: clients bound the size of trailers, 8 KiB is advised
_DROPPED = (b"grpc-status: 1\r\n", b"grpc-message: CANCELLED\r\n")


def is_call(request: Request) -> bool:
    """Whether a request is a gRPC call. Its fields are lines as HTTP/2 has them, behind that of the host."""
    if request.method != b"POST":
        return False
    block = request.fields.block()
    at = block.find(_CALL)
    return at >= 0 and block[at + len(_CALL)] in _REST_OF_TYPE


def take_timeout(request: Request) -> float:
    """The seconds of `grpc-timeout`, which is removed from the request; infinite without a valid one.

    One that is not valid is left alone and does not count, as in gRPC's core and in Envoy: the server decides.
    """
    block = request.fields.block()
    begin = block.find(_TIMEOUT)
    if begin < 0:
        return inf
    end = block.index(b"\r\n", begin + 1)
    start, last = begin + len(_TIMEOUT), end - 1
    digits, unit_s = block[start:last] if start < last else b"", _UNITS_S.get(block[last])
    if unit_s is None or not digits.isdigit() or len(digits) > 8 or block.find(_TIMEOUT, end) >= 0:
        return inf
    request.fields = Fields(block[:begin] + block[end:])
    return int(digits) * unit_s


def timeout_line(seconds: float) -> bytes:
    """The field line for a call that has so many seconds left: at most 8 digits, rounded down, not zero."""
    if seconds < 90:
        return b"grpc-timeout: %du\r\n" % (seconds * 1e6) if seconds >= 1e-6 else b"grpc-timeout: 1n\r\n"
    if seconds < 90_000:
        return b"grpc-timeout: %dm\r\n" % (seconds * 1e3)
    return b"grpc-timeout: %dS\r\n" % min(seconds, 99_999_999)


def status_in(lines: bytes) -> int:
    """The status in the field lines of trailers, or of a head without them; ABSENT if there is none."""
    if lines.startswith(_WELL):
        return OK
    found = _STATUS.search(lines)
    return ABSENT if found is None else int(found[1])


def status_of_http(status: int) -> int:
    """The status of a call whose response has this HTTP status and no grpc-status."""
    return _OF_HTTP.get(status, UNKNOWN)


def status_of_reset(code: int) -> int:
    """The status of a call whose stream was reset with this error code of HTTP/2."""
    return _OF_RESET.get(code, INTERNAL)


def as_http(status: int) -> int:
    """The HTTP status that means the same, for all that judges responses by their status; 500 for an unknown one."""
    return _TO_HTTP[status] if 0 <= status < len(_TO_HTTP) else 500


def refusal(response: Response) -> int:
    """The status of a response that consists of a head alone ("Trailers-Only"), so that no message was delivered.

    ABSENT for any other response, which has its status in its trailers.
    """
    if response.body is not None or response.first:
        return ABSENT
    return status_in(response.fields.block())


def effective_status(response: Response) -> int:
    """The HTTP status by which the head of a call's response is judged; that of the trailers comes later."""
    if response.body is not None or response.status != 200:
        return response.status
    status = refusal(response)
    return response.status if status == ABSENT else as_http(status)


def encoded_message(text: bytes) -> bytes:
    """`text`, which is UTF-8, as the value of grpc-message: one line, at most MESSAGE_BYTES of text."""
    return _ENCODED.sub(lambda byte: b"%%%02X" % byte[0][0], text.strip()[:MESSAGE_BYTES])


def was_dropped(response: Response) -> bool:
    """Whether a head that ends its stream may say that an ending server has dropped the call before its application.

    Servers with gRPC's C core (C++, Python, Ruby, PHP) take streams until the client has received their GOAWAY, and
    cancel by themselves what comes meanwhile and what the application has not fetched yet; the text is the name of the
    status. An application has this response only if it aborts its own call (`ServicerContext.cancel` in Python).
    Source: `Server::ShutdownAndNotify` in src/core/server/server.cc of gRPC, whose doc/statuscodes.md has UNAVAILABLE.
    """
    block = response.fields.block()
    return all(line in block for line in _DROPPED)
