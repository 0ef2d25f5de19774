"""HTTP/1.1 to endpoints: sends a request, reads the response, returns the connection to its pool."""

from collections.abc import Awaitable
from math import inf
from typing import Protocol

from nodeproxy.errors import (
    BadResponse,
    BodyTimeout,
    ConnectionLost,
    DeadlinePassed,
)
from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.body import ReceivedBody, WholeBody, in_chunks
from nodeproxy.io.channel import SocketChannel
from nodeproxy.protocol.http1.framing import decoder
from nodeproxy.protocol.http1.keep_alive import idle_timeout_s
from nodeproxy.protocol.http1.response_head import ResponseHead
from nodeproxy.protocol.http1.scan import scan_response
from nodeproxy.protocol.http1.sending import request_head
from nodeproxy.protocol.message import UNKNOWN, Response
from nodeproxy.upstream.context import UpstreamContext
from nodeproxy.upstream.http1_upload import ChannelSink
from nodeproxy.upstream.tunnel import SwitchedConnection, check_switch
from nodeproxy.upstream.upload import Upload

IDLE_S = 60.0  # nginx's keepalive_timeout; shorter than that of most servers, so that the proxy closes first
IDLE_MARGIN_S = 1.0  # before the time that an endpoint announces: a request must not cross its close on the wire
INTERIM_MOST = 16  # 1xx heads before a response; more is an endpoint gone wild


class Owner(Protocol):
    """The pool of a connection, as far as the connection uses it."""

    def release(self, connection: "Http1Connection") -> None: ...

    def closed(self, connection: "Http1Connection") -> None: ...


class Http1Connection:
    """One connection to an endpoint, which carries one request at a time; see `pool.UpstreamConnection`."""

    __slots__ = (
        "_context", "_owner", "_persistent", "_upload", "channel", "expires_at", "idle_s", "open", "requests"
    )  # fmt: skip

    def __init__(self, channel: SocketChannel, owner: Owner, context: UpstreamContext) -> None:
        self.channel = channel
        self.open = True
        self.requests = 0
        """How many were sent on it."""
        self.idle_s = IDLE_S
        """How long it may be idle: less where the endpoint has announced less (Keep-Alive)."""
        self.expires_at = inf
        """Until when it may be used again, monotonic seconds; set when it becomes idle."""
        self._owner = owner
        self._context = context
        self._upload: Upload | None = None
        self._persistent = False

    async def send(self, attempt: Attempt) -> Response:
        """See `pool.UpstreamConnection`."""
        exchange, channel = attempt.exchange, self.channel
        body = exchange.body
        added = (
            exchange.added if exchange.call is None else exchange.added + exchange.call.lines(self._context.reactor.now)
        )
        exchange.deliveries += 1
        self.requests += 1
        try:
            if type(body) is WholeBody:
                first = request_head(exchange.request, added)
                whole = body.take() if exchange.request.length >= 0 else in_chunks(body)
                sending = channel.write(first + whole)
                if sending is not None:
                    await _sent(sending)
            else:
                await channel.send(request_head(exchange.request, added))
                self._upload = Upload(exchange, ChannelSink(self, body.length == UNKNOWN))
            head, data = await self._read_head(attempt)
        except BaseException as error:
            exchange.answered = attempt.first_byte is not None
            self.close()
            upload, self._upload = self._upload, None
            if upload is not None:
                upload.stop()
                if isinstance(error, DeadlinePassed) and upload.awaits_client:
                    raise BodyTimeout("nothing more comes of the request's body") from error
            raise
        self._persistent = head.persistent
        if self.requests == 1:
            announced_s = idle_timeout_s(data[: head.end])
            self.idle_s = min(IDLE_S, max(announced_s - IDLE_MARGIN_S, announced_s / 2))
        return self._response(exchange.request.method, head, data)

    async def _read_head(self, attempt: Attempt) -> tuple[ResponseHead, bytes]:
        """The final response's head and everything received with it."""
        channel, limits = self.channel, self._context.head_limits
        data, more, scanned, interims = b"", b"", 0, 0
        while True:
            head = None
            if 10 in more or len(data) > 2 * scanned:
                head, scanned = scan_response(data, limits), len(data)
            if head is None:
                more = await channel.recv()
                if not more:
                    raise ConnectionLost("closed before its response")
                if attempt.first_byte is None:
                    attempt.first_byte = self._context.reactor.now
                data += more
            elif head.response.status >= 200:
                return head, data
            else:
                interims += 1
                status = head.response.status
                if status == 101:
                    check_switch(attempt.exchange.request, head.response)
                    return head, data
                if interims > INTERIM_MOST:
                    raise BadResponse(f"unexpected {status}, the {interims}. interim response")
                if attempt.exchange.interim is not None:
                    await attempt.exchange.interim(head.response)
                data = more = data[head.end :]

    def _response(self, method: bytes, head: ResponseHead, data: bytes) -> Response:
        """The response to a request with this method; `data` begins with its head."""
        response = head.response
        if method == b"HEAD" or response.status in (204, 304, 101):
            if response.status == 101:
                response.tunnel = SwitchedConnection(self, data[head.end :])
                return response
            if response.status == 204 and head.framed and response.length:
                # RFC 9112, 6.3: it ends with its head. What it announced may still come: nothing else does from there.
                data = b""
            response.length = 0
        length = response.length
        end = head.end + length
        if length >= 0 and (len(data) >= end or not data):
            self._over(reusable=len(data) == end)
            response.first = data[head.end : end]
            return response

        def over(body: ReceivedBody, complete: bool) -> None:
            self._over(reusable=complete and not body.surplus and head.framed)

        reader = decoder(length, until_close=not head.framed, lenient=True)
        response.body = ReceivedBody(self.channel, length, reader, data[head.end :], over)
        response.body.nominated = head.nominated
        return response

    def _over(self, reusable: bool) -> None:
        """The response was read or abandoned; `reusable`: nothing of it is left on the connection."""
        upload, self._upload = self._upload, None
        if upload is not None and not upload.complete:
            upload.stop()
            reusable = False
        if reusable and self._persistent:
            self._owner.release(self)
        else:
            self.close()

    def on_idle_input(self, channel: SocketChannel) -> None:
        """Close it: it has ended or sent unsolicited bytes while idle, and cannot carry a request any more."""
        self.close()

    def close(self) -> None:
        """See `pool.UpstreamConnection`."""
        if self.open:
            self.open = False
            self.channel.close()
            self._owner.closed(self)


async def _sent(sending: Awaitable[None]) -> None:
    try:
        await sending
    except ConnectionLost:
        # What it sent before it closed may still be there: a refusal is a better answer than none.
        return
