"""HTTP/1.1 with clients: one connection, from head to head.

Reads a head, makes an exchange of it, finds its route, awaits the route's handler, streams the response, counts.
"""

from collections.abc import Coroutine
from math import inf
from typing import Any

from nodeproxy.downstream.closing import LINGER_S, closed_unused, linger
from nodeproxy.downstream.connection import DownstreamConnection
from nodeproxy.downstream.context import ConnectionContext
from nodeproxy.downstream.http1_connect import answer_connect
from nodeproxy.downstream.http1_reply import Reply
from nodeproxy.downstream.prefaces import recognised
from nodeproxy.downstream.tunnel import relay
from nodeproxy.errors import (
    BadRequest,
    ClientGone,
    DeadlinePassed,
    HeadTimeout,
    ProxyError,
)
from nodeproxy.exchange.body import ReceivedBody, WholeBody
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.scope import Scope
from nodeproxy.protocol.errors_as_responses import error_response
from nodeproxy.protocol.forwarded import Forwarded, forwarded
from nodeproxy.protocol.http1.framing import decoder
from nodeproxy.protocol.http1.request_head import ConnectAsked, RequestHead
from nodeproxy.protocol.http1.scan import scan_request

IN_A_ROW = 16  # pipelined requests answered without waiting before others get a turn
DRIPS_S = 1.0  # for a whole head, once other clients wait to be admitted
USED_S = 1.0  # idle clients' advantage over clients that have sent no request, once others wait to be admitted
_IDLE, _IN_HEAD, _BUSY = range(3)  # what a connection waits for: a request, the rest of its head, anything else


class Http1Connection:
    """One client on one channel; see `connection.DownstreamConnection`."""

    makes_way = True

    def __init__(self, context: ConnectionContext, channel: SocketChannel, client: str, received: bytes = b"") -> None:
        self.context = context
        self._reactor = context.reactor
        self._channel = channel
        self._client = client
        self._received = received  # and not used yet: the beginning of the next request
        self._requests = 0
        self._draining = False
        self._request_body: ReceivedBody | None = None  # that has not been read to its end
        self._forwarded: Forwarded | None = None  # of this request, from a client that is trusted with it
        self._left_unread = False  # whether a request was answered before its end
        self._reply = Reply(channel, context.via, context.help_lines)
        self._stage = _IDLE
        self._scope: Scope
        self.idle_since_seen = -inf

    @property
    def idle(self) -> bool:
        """Whether it waits for a request of which no byte has come."""
        return self._stage == _IDLE and not self._received

    def idle_since(self, deadline: float) -> float:
        """See DownstreamConnection.

        A head that drips for longer than DRIPS_S counts from its first byte. A client that has been answered is likely
        to send another request, and counts as idle for USED_S less than one that has sent none: a flood of silent
        connections does not end those in use, and no close meets a request on its way.
        """
        context = self.context
        if self.idle:
            return deadline - context.idle_timeout_s + (USED_S if self._reply.began else 0.0)
        if self._stage == _IN_HEAD:
            began = deadline - context.head_timeout_s
            return began if self._reactor.now - began >= DRIPS_S else inf
        return inf

    def make_way(self) -> bool:
        """See DownstreamConnection."""
        return closed_unused(self._channel, "closed by the mesh while idle")

    def drain(self) -> None:
        """See DownstreamConnection: the next response has `Connection: close`. A tunnel goes on."""
        self._draining = True

    def hang_up(self) -> None:
        """See DownstreamConnection."""
        if self.idle:
            self.make_way()

    async def serve(self) -> DownstreamConnection | None:
        """See DownstreamConnection."""
        self._scope = Scope(self._reactor.current)
        in_a_row = 0
        connecting: Coroutine[Any, Any, bool] | None = None
        refusing: Coroutine[Any, Any, DownstreamConnection | None] | None = None
        while True:
            try:
                head = await self._read_head()
            except ConnectAsked as asked:
                head, connecting = None, self._connect(asked)
            except BadRequest as error:
                head, refusing = None, self._no_request(error)
            if head is None:
                if connecting is not None and await connecting:
                    connecting = None
                    continue
                return None if refusing is None else await refusing
            self._requests += 1
            if not await self._exchange(head):
                no_more = not head.persistent and not self._left_unread and not self._received
                del head  # of up to 60 kB, and a client may linger
                if not no_more and not self._channel.closed:
                    await linger(self._channel)
                return None
            in_a_row = in_a_row + 1 if self._received else 0
            if in_a_row >= IN_A_ROW:
                in_a_row = 0
                await self._reactor.rest()

    async def _read_head(self) -> RequestHead | None:
        """The next request's head, None when the client has no more."""
        context, task = self.context, self._reactor.current
        data = more = self._received
        scanned = 0
        task.limit(self._reactor.now + (context.head_timeout_s if data else context.idle_timeout_s))
        self._stage = _IN_HEAD if data else _IDLE
        try:
            while True:
                # A head ends with a line feed, 10 (b"\n" in data is slower); one that drips is scanned rarely.
                if 10 in more or len(data) > 2 * scanned:
                    scanned = len(data)
                    if data[0] == 13 and data[:2] in (b"\r", b"\r\n"):
                        data = data[2:] if len(data) > 1 else data  # RFC 9112, 2.2: an empty line before a request
                    head = scan_request(data, context.limits)
                    if head is not None:
                        break
                more = await self._channel.recv()
                if not more:
                    return None
                if not data:
                    task.limit(self._reactor.now + context.head_timeout_s)
                    self._stage = _IN_HEAD
                data += more
        except ConnectAsked as asked:
            self._stage = _BUSY
            self._received = data[asked.head.end :]
            raise
        except BadRequest:
            self._received = data
            raise
        except DeadlinePassed:
            self._received = data
            if data:
                raise HeadTimeout(f"no whole head within {context.head_timeout_s:g} s of its first byte") from None
            return None
        self._stage = _BUSY
        if context.trusts_forwarded:
            # For each request: the address may have become another pod's since the last one.
            self._forwarded = forwarded(data[: head.end]) if context.caller_of(self._client).trusted else None
        self._received = data[head.end :] if len(data) != head.end else b""
        return head

    async def _exchange(self, head: RequestHead) -> bool:
        """One request and its response; returns whether the connection can go on."""
        context, reply, request = self.context, self._reply, head.request
        task, scope = self._reactor.current, self._scope
        scope.reset()
        exchange = Exchange(request, self._body(head), self._client, scope, self._reactor.clock())
        exchange.observer = context.observer
        callers = context.callers
        exchange.caller = callers.known.get(self._client) or callers.stranger(self._client)
        exchange.added = context.adder(request, self._client, self._forwarded)
        if context.recorder.begin is not None:
            context.recorder.begin(exchange, context.match)
        reply.began = False
        if head.minor:
            exchange.interim = reply.interim
        route, response = None, None
        self._channel.guard = task
        failure: ProxyError | None = None
        try:
            try:
                route = context.match(request, exchange.caller.namespace)
                if self._channel.ending and self._channel.hung_up():
                    raise ClientGone("the client hung up before its request was read")
                response = await route.handler(exchange)
                if response.tunnel is not None:
                    await reply.switch(response)
                    early, self._received = self._received, b""
                    if context.half_close_is_gone:
                        self._channel.guard = None  # in a tunnel, the end of one direction is not the client's end
                    await relay(exchange, route, response, self._channel, early)
                    return False
                # A response before the request's end: the rest of the request must not be taken for the next one.
                persistent = self._request_body is None and not self._draining
                goes_on = await reply(exchange, response, head, persistent)
                status, reason = response.status, response.reason
            except ProxyError as error:
                failure = error
            if failure is not None:
                status, reason = failure.status, failure.reason
                if response is not None and response.attempt is not None:
                    response.attempt.end(reason)  # its head was fine, and its body has not arrived
                goes_on = await self._report(exchange, head, failure)
        finally:
            failure = None  # an error that this frame held would hold the frame
            self._channel.guard = None
            if response is not None:
                response.close()
            if self._request_body is not None:  # unread: it refers to this connection, which refers to it
                self._request_body.abandon()
                self._request_body = self._channel.cut_off = None
                self._left_unread = True
        if task.has_children:  # where an error has left this function, the end of the task ends them
            await task.cancel_children()
        context.count(exchange, route, status, reason)
        return goes_on

    async def _connect(self, asked: ConnectAsked) -> bool:
        """Answer a CONNECT; returns whether requests follow."""
        context = self.context
        exchange = Exchange(asked.head.request, WholeBody(b""), self._client, self._scope, self._reactor.clock())
        exchange.caller, exchange.observer = context.caller_of(self._client), context.observer
        following = await answer_connect(context, exchange, asked, self._channel, self._reply)
        if following is not None:
            self.context = following
        return following is not None

    def _body(self, head: RequestHead) -> WholeBody | ReceivedBody:
        length = head.request.length
        if length == 0:
            return WholeBody(b"")
        received = self._received
        if 0 < length <= len(received):
            self._received = received[length:]
            return WholeBody(received[:length])
        self._received = b""
        body = self._request_body = ReceivedBody(self._channel, length, decoder(length), received, self._keep_surplus)
        body.nominated = head.nominated
        self._channel.cut_off = body.cut_off
        return body

    def _keep_surplus(self, body: ReceivedBody, complete: bool) -> None:
        if complete:
            self._received = body.surplus
            self._request_body = self._channel.cut_off = None

    async def _report(self, exchange: Exchange, head: RequestHead, error: ProxyError) -> bool:
        """Answer with the mesh's own response, if that is still possible; returns whether the connection can go on."""
        if self._reply.began or isinstance(error, ClientGone):
            self._channel.close()  # a truncated response must not look complete
            return False
        self._reactor.current.limit(self._reactor.now + LINGER_S)
        persistent = self._request_body is None and not isinstance(error, BadRequest) and not self._draining
        try:
            return await self._reply(exchange, error_response(error), head, persistent)
        except ProxyError:
            return False

    async def _no_request(self, error: BadRequest) -> DownstreamConnection | None:
        """What serves the connection from here on, if its first bytes are of another protocol; else refuses it."""
        if not self._requests and (accept := recognised(self._received, self.context.prefaces)) is not None:
            return accept(self.context, self._channel, self._client, self._received)
        await self._refuse(error)
        return None

    async def _refuse(self, error: BadRequest) -> None:
        """The next head is no request: report that, forward nothing, and read no more."""
        self.context.count_refused(error, self._client)
        self._reactor.current.limit(self._reactor.now + LINGER_S)
        try:
            await self._channel.send(self._reply.refusal(error, self._received))
            await linger(self._channel)
        except ProxyError:
            pass
