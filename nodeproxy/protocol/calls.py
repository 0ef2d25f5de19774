"""The mesh's own responses and errors, and the ends of endpoints' responses, as a gRPC client has them."""

from nodeproxy.errors import ProxyError, StreamReset
from nodeproxy.protocol.errors_as_responses import error_response, words_of
from nodeproxy.protocol.fields import Fields, without
from nodeproxy.protocol.grpc import ABSENT, encoded_message, status_in, status_of_http, status_of_reset
from nodeproxy.protocol.message import Response

_REPLACED = (b"content-type", b"content-length", b"grpc-status", b"grpc-message")


def status_of_error(error: ProxyError) -> int:
    """The grpc-status that reports `error`."""
    return status_of_reset(error.code) if isinstance(error, StreamReset) else status_of_http(error.status)


def refused(error: ProxyError) -> Response:
    """The response that reports `error` to the client of a call; see `as_refusal`."""
    return as_refusal(error_response(error), status_of_error(error))


def as_refusal(response: Response, status: int = ABSENT) -> Response:
    """A response of the mesh as a head alone ("Trailers-Only"), with `status`, or what that of the response means.

    Its body is the grpc-message, all its other fields stay. One that has a grpc-status already, as an operator can
    write for `fallback`, keeps it, and its grpc-message.
    """
    block = response.fields.block()
    stated = status_in(block)
    if stated != ABSENT:
        status = stated
    elif status == ABSENT:
        status = status_of_http(response.status)
    message = response.fields.get(b"grpc-message") or encoded_message(response.first)
    lines = b"content-type: application/grpc\r\n" + status_lines(status, message) + without(block, _REPLACED)
    head = Response(200, Fields(lines), 0)
    head.reason = response.reason
    return head


def last_lines(status: int, error: ProxyError) -> bytes:
    """The trailers that end a call with `status`, because of `error`, once its response has begun."""
    return status_lines(status, encoded_message(words_of(error))) + b"x-mesh-error: %b\r\n" % error.reason.encode()


def status_lines(status: int, message: bytes) -> bytes:
    """The field lines of a status and of its encoded message, which may be empty."""
    line = b"grpc-status: %d\r\n" % status
    return line + b"grpc-message: %b\r\n" % message if message else line
