"""Sends responses to an HTTP/2 client: the fields of this hop, the frames, the body, the trailers."""

from collections.abc import Coroutine, Mapping
from time import time

from nodeproxy.downstream.calls import break_off, end_call
from nodeproxy.errors import ClientGone, ProxyError
from nodeproxy.exchange.body import SHARE_PIECES
from nodeproxy.exchange.call import Call
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.multiplex.link import Link
from nodeproxy.multiplex.stream import Stream
from nodeproxy.multiplex.tunnel import StreamTunnel
from nodeproxy.protocol.calls import as_refusal
from nodeproxy.protocol.errors_as_responses import date_line, error_response
from nodeproxy.protocol.http2.codes import INTERNAL_ERROR
from nodeproxy.protocol.http2.scan import response_headers
from nodeproxy.protocol.message import Response
from nodeproxy.protocol.websocket import opened


class Reply:
    """Sends the responses of one connection."""

    __slots__ = ("_help", "_link", "_reactor", "_via")

    def __init__(self, link: Link, via: Mapping[bytes, bytes], help_lines: Mapping[str, bytes]) -> None:
        self._link = link
        self._help = help_lines
        self._reactor = link.reactor
        self._via = via

    def __call__(self, stream: Stream, exchange: Exchange, response: Response) -> Coroutine[None, None, None] | None:
        """Send the whole `response` on `stream`; returns None when that is done, else what sends the rest.

        The caller must await it. A response that fits the windows needs no coroutine.

        Raises:
            ClientGone: the client has reset the stream, or closed its connection.
            EndpointError: its body ended early.
        """
        stream.begun = True
        call = exchange.call
        if call is not None:
            response = self._of_call(call, response)
        added = self._via[response.version]
        if not response.dated:  # RFC 9110, 6.6.1; the mesh's own responses are among these
            added += date_line(time()) + self._help[response.reason]
        if response.body is None:
            # RFC 9110, 9.3.2: the response to HEAD has the length of a body and no body, whatever made it.
            first = response.first if exchange.request.method != b"HEAD" else b""
            if exchange.observer is not None:
                exchange.sent_bytes = len(first)
            self._head(stream, response, added, not first)
            return stream.write(first, True) if first and not stream.try_write(first, True) else None
        if response.length < 0:
            response.fields.drop_length()  # a policy may have made a body of another length
        self._head(stream, response, added, False)
        return self._stream(stream, exchange, response)

    def break_off(self, stream: Stream, exchange: Exchange, error: ProxyError) -> None:
        """End a response that has begun and cannot be completed: it must not look complete."""
        call = exchange.call
        if call is None or stream.over:
            stream.reset(INTERNAL_ERROR)
            return
        stream.finish(break_off(call, exchange, error))

    def interim(self, stream: Stream, response: Response) -> None:
        """Send a 1xx response."""
        self._head(stream, response, b"", False)

    def switch(self, stream: Stream, response: Response) -> StreamTunnel:
        """Send the 200 in place of the 101 `response`: what follows on `stream` is no message."""
        stream.begun = True
        self._link.probe_when_silent()
        added = self._via[response.version] + (b"" if response.dated else date_line(time()))
        self._head(stream, opened(response.fields, response.version), added, False)
        return StreamTunnel(stream, ClientGone)

    def refuse(self, stream: Stream, error: ProxyError) -> None:
        """Send the whole response to what is no request to be forwarded."""
        response = error_response(error)
        self._head(stream, response, date_line(time()) + self._help[response.reason], False)
        stream.try_write(response.first, True)  # else the client leaves no room for a line of text

    def _of_call(self, call: Call, response: Response) -> Response:
        """`response` as the client of a call gets it; notes the status that its head has."""
        if not response.version:
            response = as_refusal(response)
        if response.body is None:
            end_call(call, response, b"" if response.first else response.fields.block())
        return response

    def _head(self, stream: Stream, response: Response, added: bytes, ended: bool) -> None:
        link = self._link
        frames = response_headers(response, added, stream.number, ended, link.prefix)
        link.prefix = b""
        stream.head(frames, ended)

    async def _stream(self, stream: Stream, exchange: Exchange, response: Response) -> None:
        body, reactor = response.body, self._reactor
        assert body is not None  # checked by the caller
        pieces, observed = 0, exchange.observer is not None
        while True:
            exchange.scope.moved(reactor.now)
            piece = await body.read()
            if not piece:
                break
            if not stream.try_write(piece, False):
                await stream.write(piece, False)
            if observed:
                exchange.sent_bytes += len(piece)
            pieces += 1
            if pieces >= SHARE_PIECES:
                pieces = 0
                await reactor.rest()
        trailers = body.trailers
        if exchange.call is not None:
            end_call(exchange.call, response, trailers)
        stream.finish(trailers)
