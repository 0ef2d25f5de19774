"""HTTP/1.1 to endpoints: sends a request, reads the response's head, gives the connection back."""

from dataclasses import dataclass

from nodeproxy.errors import (
    BadResponse,
    BodyTimeout,
    ConnectionLost,
    DeadlinePassed,
)
from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.body import ReceivedBody, WholeBody
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.reactor import Reactor
from nodeproxy.protocol.http1.framing import decoder
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http1.response_head import ResponseHead
from nodeproxy.protocol.http1.scan import scan_response
from nodeproxy.protocol.http1.sending import request_head
from nodeproxy.protocol.message import Response
from nodeproxy.protocol.method import IDEMPOTENT
from nodeproxy.upstream.endpoint import Endpoint
from nodeproxy.upstream.tunnel import SwitchedConnection, check_switch
from nodeproxy.upstream.upload import Upload

INTERIM_MOST = 16  # 1xx heads before a response; more is an endpoint gone wild


@dataclass(frozen=True, slots=True)
class Http1:
    """Sends attempts by HTTP/1.1. `connect_s` bounds a connect."""

    reactor: Reactor
    connect_s: float
    limits: HeadLimits

    async def send(self, attempt: Attempt, endpoint: Endpoint) -> Response:
        """The response of `endpoint`, as soon as its head is there.

        Raises:
            EndpointError: what went wrong on the way.
        """
        exchange = attempt.exchange
        channel = endpoint.take()
        if channel is not None:
            try:
                return await self._ask(attempt, endpoint, channel)
            except ConnectionLost:
                # The endpoint closed the idle connection while the request was under way (RFC 9112, 9.3.1).
                if exchange.request.method not in IDEMPOTENT or not exchange.may_be_delivered_again():
                    raise
        return await self._ask(attempt, endpoint, await endpoint.connect(self.connect_s))

    async def _ask(self, attempt: Attempt, endpoint: Endpoint, channel: SocketChannel) -> Response:
        exchange = attempt.exchange
        upload, body = None, exchange.body
        exchange.deliveries += 1
        try:
            if type(body) is WholeBody:
                await self._send_whole(channel, request_head(exchange.request, exchange.added) + body.take())
            else:
                await channel.send(request_head(exchange.request, exchange.added))
                upload = Upload(exchange, channel)
            head, data = await self._read_head(attempt, channel)
        except BaseException as error:
            exchange.answered = attempt.first_byte is not None
            channel.close()
            if upload is not None:
                upload.stop()
                if isinstance(error, DeadlinePassed) and upload.awaits_client:
                    raise BodyTimeout("nothing more comes of the request's body") from error
            raise
        return _response(exchange.request.method, head, data, Transfer(endpoint, channel, upload, head.persistent))

    async def _send_whole(self, channel: SocketChannel, message: bytes) -> None:
        try:
            await channel.send(message)
        except ConnectionLost:
            # What it sent before it closed may still be there: a refusal is a better answer than none.
            return

    async def _read_head(self, attempt: Attempt, channel: SocketChannel) -> tuple[ResponseHead, bytes]:
        """The final response's head and everything received with it."""
        data, more, scanned, interims = b"", b"", 0, 0
        while True:
            head = None
            if 10 in more or len(data) > 2 * scanned:
                head, scanned = scan_response(data, self.limits), len(data)
            if head is None:
                more = await channel.recv()
                if not more:
                    raise ConnectionLost("closed before its response")
                if attempt.first_byte is None:
                    attempt.first_byte = self.reactor.now
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


class Transfer:
    """One request and its response on a connection, which is given back when both have ended."""

    __slots__ = ("_endpoint", "_persistent", "_upload", "channel")

    def __init__(self, endpoint: Endpoint, channel: SocketChannel, upload: Upload | None, persistent: bool) -> None:
        self.channel = channel
        self._endpoint = endpoint
        self._upload = upload
        self._persistent = persistent

    def over(self, reusable: bool) -> None:
        """The response has been read or given up; `reusable` says whether it left the connection in step."""
        if self._upload is not None and not self._upload.complete:
            self._upload.stop()
            reusable = False
        if reusable and self._persistent:
            self._endpoint.give_back(self.channel)
        else:
            self.channel.close()


def _response(method: bytes, head: ResponseHead, data: bytes, transfer: Transfer) -> Response:
    """The response to a request with this method; `data` begins with its head."""
    response = head.response
    if method == b"HEAD" or response.status in (204, 304, 101):
        if response.status == 101:
            response.tunnel = SwitchedConnection(transfer.channel, data[head.end :])
            return response
        if response.status == 204 and head.framed and response.length:
            # RFC 9112, 6.3: it ends with its head. What it announced may still come: nothing else does from there.
            data = b""
        response.length = 0
    length = response.length
    end = head.end + length
    if length >= 0 and (len(data) >= end or not data):
        transfer.over(reusable=len(data) == end)
        response.first = data[head.end : end]
        return response

    def over(body: ReceivedBody, complete: bool) -> None:
        transfer.over(reusable=complete and not body.surplus and head.framed)

    reader = decoder(length, until_close=not head.framed, lenient=True)
    response.body = ReceivedBody(transfer.channel, length, reader, data[head.end :], over)
    response.body.nominated = head.nominated
    return response
