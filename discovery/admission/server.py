"""The HTTPS server of the webhook: POST /review, one request per connection, everything bounded.

h11 reads and writes HTTP. Reviews are made one at a time in a thread, so that a large map delays no other work of the
process. A failure of any kind is an answer without a verdict, which the API server takes as it is configured to
(failurePolicy Ignore: the object is accepted).
"""

import logging
import ssl
from collections.abc import Callable
from contextlib import suppress

import anyio
import h11
from anyio.abc import ByteStream, SocketStream
from anyio.streams.tls import TLSStream
from anyio.to_thread import run_sync

from discovery.admission.review import NotAReview
from discovery.log import log_event

PATH = b"/review"
CONNECTIONS_MOST = 16  # at once: a review costs milliseconds, and each API server sends a few
BODY_LIMIT_BYTES = 4 * 1024 * 1024  # the object and the one before, 1 MiB each (limit of a ConfigMap), as JSON
HEAD_LIMIT_BYTES = 16 * 1024  # as h11
LIMIT_S = 10.0  # of a connection; the API server waits 5 s (timeoutSeconds)
RETRY_S = 1.0
READ_BYTES = 64 * 1024

Answer = Callable[[bytes], bytes]
"""The body of the answer to a body; raises NotAReview."""


class _Refused(Exception):
    """The request gets this status and text instead of a review."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class ReviewServer:
    """Serves `answer`. `context` returns the TLS context for the next connection."""

    def __init__(self, context: Callable[[], ssl.SSLContext], answer: Answer) -> None:
        self._context = context
        self._answer = answer
        self._connections = anyio.CapacityLimiter(CONNECTIONS_MOST)
        self._thread = anyio.CapacityLimiter(1)

    async def serve(self, host: str, port: int) -> None:
        """Serves at this address until cancelled. While it cannot listen there, it tries again."""
        failed = False
        while True:
            try:
                listener = await anyio.create_tcp_listener(local_host=host, local_port=port, reuse_port=True)
            except OSError as error:
                if not failed:
                    reason = f"{error}; set --admission to an address of this pod and a free port"
                    log_event(
                        "cannot serve admission; retrying", logging.ERROR, address=f"{host}:{port}", reason=reason
                    )
                failed = True
                await anyio.sleep(RETRY_S)
                continue
            log_event("serving admission", address=f"{host}:{port}")
            async with listener:
                await listener.serve(self._attend)

    async def _attend(self, stream: SocketStream) -> None:
        """One connection, whatever becomes of it."""
        try:
            self._connections.acquire_on_behalf_of_nowait(stream)
        except anyio.WouldBlock:
            await anyio.aclose_forcefully(stream)
            return
        try:
            with anyio.move_on_after(LIMIT_S), suppress(OSError, anyio.BrokenResourceError, anyio.EndOfStream):
                tls = await TLSStream.wrap(
                    stream, server_side=True, ssl_context=self._context(), standard_compatible=False
                )
                await self._exchange(tls)
                await tls.aclose()
        finally:
            self._connections.release_on_behalf_of(stream)
            with anyio.CancelScope(shield=True):
                await anyio.aclose_forcefully(stream)

    def _reviewed(self, body: bytes) -> bytes:
        try:
            return self._answer(body)
        except NotAReview as error:
            raise _Refused(400, str(error)) from error
        except Exception as error:  # a bug ends one review, and not the process, which has other work
            log_event("a review failed", logging.ERROR, reason=repr(error))
            raise _Refused(500, "the review failed; the keeper's log has the reason") from error

    async def _exchange(self, stream: ByteStream) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT_BYTES)
        try:
            body = await _body(connection, stream)
            answer = await run_sync(self._reviewed, body, limiter=self._thread, abandon_on_cancel=True)
            await _send(connection, stream, 200, answer, b"application/json")
        except (_Refused, h11.RemoteProtocolError) as error:
            status = error.status if isinstance(error, _Refused) else 400
            if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                await _send(connection, stream, status, f"{error}\n".encode(), b"text/plain; charset=utf-8")


async def _body(connection: h11.Connection, stream: ByteStream) -> bytes:
    """The body of the request.

    Raises:
        _Refused: it is none for a review, or too large.
        RemoteProtocolError: it is not HTTP/1.
    """
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await _received(stream))
        elif isinstance(event, h11.Request):
            if event.target.partition(b"?")[0] != PATH:
                raise _Refused(404, f"reviews are at {PATH.decode()}")
            if event.method != b"POST":
                raise _Refused(405, "a review is a POST")
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_LIMIT_BYTES:
                raise _Refused(413, f"a review has at most {BODY_LIMIT_BYTES} bytes")
        elif isinstance(event, h11.EndOfMessage):
            return bytes(body)
        else:
            raise anyio.EndOfStream


async def _received(stream: ByteStream) -> bytes:
    try:
        return await stream.receive(READ_BYTES)
    except anyio.EndOfStream:
        return b""


async def _send(connection: h11.Connection, stream: ByteStream, status: int, body: bytes, kind: bytes) -> None:
    head = h11.Response(
        status_code=status,
        headers=[(b"Content-Type", kind), (b"Content-Length", str(len(body)).encode()), (b"Connection", b"close")],
    )
    events = (head, h11.Data(data=body), h11.EndOfMessage())
    await stream.send(b"".join(connection.send(event) or b"" for event in events))
