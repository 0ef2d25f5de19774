"""The response on a stream to an endpoint: its heads as they come, and as the task of its request reads them."""

from nodeproxy.errors import BadResponse
from nodeproxy.exchange.attempt import Attempt
from nodeproxy.io.calls import park
from nodeproxy.io.reactor import Reactor
from nodeproxy.multiplex.body import expect
from nodeproxy.multiplex.stream import Stream
from nodeproxy.protocol.http2.codes import ENHANCE_YOUR_CALM, PROTOCOL_ERROR
from nodeproxy.protocol.http2.errors import StreamError
from nodeproxy.protocol.message import Response
from nodeproxy.upstream.http1 import INTERIM_MOST
from nodeproxy.upstream.upload import Upload


def check_head(stream: Stream, response: Response, ended: bool) -> None:
    """Whether a head may come now; `ended` says that nothing follows it.

    Raises:
        StreamError: it may not, or there are too many.
    """
    if not stream.awaits_head or (ended and response.status < 200):
        raise StreamError(PROTOCOL_ERROR, "a second response on one stream, or one without its end")
    if len(stream.heads) > INTERIM_MOST:
        raise StreamError(ENHANCE_YOUR_CALM, f"{len(stream.heads)} responses that the client has not read")


def put_head(stream: Stream, response: Response, ended: bool) -> None:
    """A head has come that is allowed.

    Raises:
        StreamError: nothing follows it, but its Content-Length says so.
    """
    stream.heads.append(response)
    if response.status >= 200:
        stream.awaits_head = False
        # RFC 9113, 8.1.1: what has no content may have the length of one
        expect(stream, 0 if stream.bodiless or response.status in (204, 304) else response.length)
    if ended:
        stream.end()
    elif stream.reader is not None:
        stream.reader.reactor.wake(stream.reader)


async def final_head(stream: Stream, attempt: Attempt, reactor: Reactor) -> Response:
    """Wait for the head of the final response of `attempt`; those before it go to the client.

    Raises:
        BadResponse: there are too many before it.
        ProxyError: the stream has ended before its time.
    """
    interims = 0
    while True:
        while not stream.heads:
            stream.await_next()
            await park()
        response = stream.heads.pop(0)
        if attempt.first_byte is None:
            attempt.first_byte = reactor.now
        if response.status >= 200:
            return response
        interims += 1
        if interims > INTERIM_MOST:
            raise BadResponse(f"unexpected {response.status}, the {interims}. interim response")
        if attempt.exchange.interim is not None:
            await attempt.exchange.interim(response)


def whole_response(stream: Stream, response: Response, upload: Upload | None) -> Response:
    """The response, all of which has come."""
    response.first = stream.take()
    response.length = len(response.first)
    if upload is not None:
        upload.stop()
    stream.release()
    return response
