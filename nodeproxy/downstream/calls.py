"""gRPC calls of HTTP/2 clients: their deadline, and how they end."""

from math import inf

from nodeproxy.errors import DeadlinePassed, ProxyError
from nodeproxy.exchange.call import Call
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.protocol.calls import last_lines, refused, status_of_error
from nodeproxy.protocol.errors_as_responses import error_response
from nodeproxy.protocol.grpc import ABSENT, UNAVAILABLE, as_http, is_call, status_in, status_of_http, take_timeout
from nodeproxy.protocol.message import Response


def begin_call(exchange: Exchange) -> None:
    """Make `exchange`, which is new, a call if its request is one. Its deadline is around all limits of policies."""
    if not is_call(exchange.request):
        return
    timeout_s = take_timeout(exchange.request)
    call = exchange.call = Call(exchange.started + timeout_s)
    if timeout_s < inf:
        exchange.scope.until = call.deadline
        exchange.scope = exchange.scope.child(inf)
        exchange.scope.moved(exchange.started)


def failed_response(exchange: Exchange, error: ProxyError) -> Response:
    """The response that reports `error` to the client of `exchange`."""
    return error_response(error) if exchange.call is None else refused(error)


def end_call(call: Call, response: Response, lines: bytes) -> None:
    """The response of an endpoint is over; `lines` are its last field lines, in which it has its status.

    A failure is one for those that judge the endpoint: a status of the trailers counts as the HTTP status of the same
    meaning. A response without a status has that of HTTP, as a client concludes.
    """
    status = status_in(lines)
    call.status = status_of_http(response.status) if status == ABSENT else status
    if status != ABSENT and response.attempt is not None:
        response.attempt.end(as_http(status))


def break_off(call: Call, exchange: Exchange, error: ProxyError) -> bytes:
    """The trailers that end a call because of `error`, after its response has begun.

    A stream that was silent for too long is UNAVAILABLE and not DEADLINE_EXCEEDED: its client is to call again.
    """
    call.status = status_of_error(error)
    if isinstance(error, DeadlinePassed):
        scope, now = exchange.scope, exchange.scope.task.reactor.now
        if now < scope.ends():
            call.status = UNAVAILABLE
            error.args = (f"no byte has moved; timeouts.idle of the service is {scope.silence_s():g} s",)
    return last_lines(call.status, error)
