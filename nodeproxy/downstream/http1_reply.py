"""Sends responses to an HTTP/1 client: the fields of this hop, the framing, the body."""

from collections.abc import Mapping
from time import time

from nodeproxy.errors import ProxyError
from nodeproxy.exchange.body import SHARE_PIECES, ending, framed
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.channel import SocketChannel
from nodeproxy.protocol.errors_as_responses import date_line, error_response
from nodeproxy.protocol.http1.request_head import RequestHead
from nodeproxy.protocol.http1.sending import response_head, switching_head
from nodeproxy.protocol.message import Response

_END = b"\r\n"
_END_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
_END_CLOSE = b"Connection: close\r\n\r\n"
_END_CHUNKED_CLOSE = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
_END_KEPT = b"Connection: keep-alive\r\n\r\n"  # HTTP/1.0 clients close without it


class Reply:
    """Sends responses to one client."""

    __slots__ = ("_channel", "_help", "_via", "began")

    def __init__(self, channel: SocketChannel, via: Mapping[bytes, bytes], help_lines: Mapping[str, bytes]) -> None:
        self._channel = channel
        self._via = via
        self._help = help_lines
        self.began = False
        """Whether the head of the final response has been sent: no other response can follow."""

    async def __call__(self, exchange: Exchange, response: Response, head: RequestHead, persistent: bool) -> bool:
        """Send the whole `response` to the request of `head`; returns whether the connection may carry another request.

        Raises:
            ClientGone: the client does not read it.
            EndpointError: its body ended early.
        """
        persistent = persistent and head.persistent
        self.began = True
        added = self._via[response.version]
        if not response.dated:  # RFC 9110, 6.6.1; the mesh's own responses are among these
            added += date_line(time()) + self._help[response.reason]
        if response.body is None:
            end = _END if persistent and head.minor else _END_KEPT if persistent else _END_CLOSE
            # RFC 9110, 9.3.2: the response to HEAD has the length of a body and no body, whatever made it.
            first = response.first if head.request.method != b"HEAD" else b""
            if exchange.observer is not None:
                exchange.sent_bytes = len(first)
            sending = self._channel.write(response_head(response, added + end) + first)
            if sending is not None:
                await sending
            return persistent
        chunked = response.length < 0 and head.minor == 1
        if response.length < 0:
            response.fields.drop_length()  # a policy may have made a body of another length
            persistent = persistent and chunked  # HTTP/1.0: the body ends with the connection
        await self._channel.send(response_head(response, added + _ending_of_head(chunked, persistent, head.minor)))
        await self._stream(exchange, response, chunked)
        return persistent

    async def interim(self, response: Response) -> None:
        """Send a 1xx response."""
        await self._channel.send(response_head(response, _END))

    async def switch(self, response: Response) -> None:
        """Send a 101: what follows on this connection is no HTTP."""
        self.began = True
        self._channel.probe_when_silent()
        await self._channel.send(switching_head(response, self._via[response.version]))

    def refusal(self, error: ProxyError, received: bytes) -> bytes:
        """All bytes of the response to `received`, which is no request but may begin with a method."""
        response = error_response(error)
        head = response_head(response, date_line(time()) + self._help[response.reason] + _END_CLOSE)
        return head + (b"" if received.startswith(b"HEAD ") else response.first)

    async def _stream(self, exchange: Exchange, response: Response, chunked: bool) -> None:
        body, reactor = response.body, self._channel.reactor
        assert body is not None  # checked by the caller
        pieces, observed = 0, exchange.observer is not None
        while True:
            exchange.scope.moved(reactor.now)
            piece = await body.read()
            if not piece:
                break
            await self._channel.send(framed(piece, chunked))
            if observed:
                exchange.sent_bytes += len(piece)
            pieces += 1
            if pieces >= SHARE_PIECES:
                pieces = 0
                await reactor.rest()
        if chunked:
            await self._channel.send(ending(body.trailers, chunked))


def _ending_of_head(chunked: bool, persistent: bool, minor: int) -> bytes:
    if chunked:
        return _END_CHUNKED if persistent else _END_CHUNKED_CLOSE
    if not persistent:
        return _END_CLOSE
    return _END if minor else _END_KEPT
