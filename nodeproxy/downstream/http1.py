"""The spine: one client's connection, from head to head.

Reads a head, makes an exchange of it, asks the table, awaits the route's handler, streams the response, counts.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf

from nodeproxy.downstream.http1_reply import Reply
from nodeproxy.downstream.tunnel import relay
from nodeproxy.errors import (
    BadRequest,
    ClientGone,
    ConnectRefused,
    DeadlinePassed,
    HeadTimeout,
    ProxyError,
    UnknownService,
)
from nodeproxy.exchange.body import ReceivedBody, WholeBody
from nodeproxy.exchange.exchange import Exchange, Observer
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.reactor import Reactor
from nodeproxy.io.scope import Scope
from nodeproxy.mesh.callers import UNKNOWN, Callers
from nodeproxy.protocol.errors_as_responses import error_response
from nodeproxy.protocol.forwarded import Adder, Forwarded, forwarded
from nodeproxy.protocol.http1.framing import decoder
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http1.request_head import ConnectAsked, RequestHead
from nodeproxy.protocol.http1.scan import scan_request
from nodeproxy.protocol.message import Request
from nodeproxy.table.table import Route
from nodeproxy.telemetry.stats import RouteStats, WorkerStats

IN_A_ROW = 16  # pipelined requests answered without waiting before others get a turn
DRIPS_S = 1.0  # for a whole head, once others wait to be let in
USED_S = 2.0  # idle clients' advantage over clients that have sent no request, once others wait to be let in
LINGER_S = 2.0  # for the client to read what it was told before its unread bytes turn it into a reset; nginx: 5 s
LINGER_BYTES = 1024 * 1024
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"  # RFC 9110, 9.3.6: without any framing
_IDLE, _IN_HEAD, _BUSY = range(3)  # what a connection waits for: a request, the rest of its head, anything else


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """What all connections of one listener share: who is meant, what is added, when it is enough."""

    reactor: Reactor
    match: Callable[[Request, str], Route]
    """The route a request means, of a caller in this namespace. Raises UnknownService, UnknownCaller."""
    callers: Callers
    adder: Adder
    stats: WorkerStats
    limits: HeadLimits
    head_timeout_s: float
    idle_timeout_s: float
    half_close_is_gone: bool
    trusts_forwarded: bool
    """Whether any client is believed when it says for whom it speaks; which ones are, `callers` says."""
    observer: Observer | None
    draining: Callable[[], bool]
    via: Mapping[bytes, bytes]
    """The line that is added to a response; see `forwarded.VIA`."""
    understands_connect: bool = False
    """Whether a client may name the service of all its further requests by CONNECT."""


class Connection:
    """One client on one channel, until either has had enough."""

    def __init__(self, context: ConnectionContext, channel: SocketChannel, client: str) -> None:
        self.context = context
        self._reactor = context.reactor
        self._channel = channel
        self._client = client
        self._received = b""  # and not used yet: the beginning of the next request
        self._request_body: ReceivedBody | None = None  # that has not been read to its end
        self._forwarded: Forwarded | None = None  # of this request, from a client that is trusted with it
        self._reply = Reply(channel, context.via)
        self._stage = _IDLE
        self._scope: Scope
        self.idle_since_seen = -inf
        """For `Connections`: its `idle_since` when it was last looked at."""

    @property
    def idle(self) -> bool:
        """Whether it waits for a request of which nothing has come."""
        return self._stage == _IDLE and not self._received

    def idle_since(self, deadline: float) -> float:
        """Since when it has been of no use, monotonic seconds; infinite where it is.

        `deadline` is its task's. A head that drips for longer than DRIPS_S counts from its first byte. A client that
        has been answered is likely to ask again, and counts as idle for USED_S less than one that has never asked: a
        flood of connections that say nothing does not end those in use.
        """
        context = self.context
        if self.idle:
            return deadline - context.idle_timeout_s + (USED_S if self._reply.began else 0.0)
        if self._stage == _IN_HEAD:
            began = deadline - context.head_timeout_s
            return began if self._reactor.now - began >= DRIPS_S else inf
        return inf

    def make_way(self) -> bool:
        """Close it for others to come in, unless its next request is here already."""
        if self._channel.closed or self._channel.has_input():
            return False
        self._hang_up()
        return True

    def hang_up(self) -> None:
        """Close it now if it is idle; a request that crosses it on the wire is safe to send again."""
        if self.idle:
            self._hang_up()

    def _hang_up(self) -> None:
        waiting = self._channel.reader
        self._channel.close()
        if waiting is not None:
            waiting.interrupt(ClientGone("hung up on"))

    async def serve(self) -> None:
        """Answer requests until the connection is over."""
        self._scope = Scope(self._reactor.current)
        in_a_row = 0
        while True:
            try:
                head = await self._read_head()
            except ConnectAsked as asked:
                if not await self._connect(asked.head):
                    return
                continue
            except BadRequest as error:
                await self._refuse(error)
                return
            if head is None:
                return
            if not await self._exchange(head):
                del head  # of up to 60 kB, and a client may linger
                await self._end()
                return
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
            # Asked for each request: the address may have become another pod's since the last one.
            caller = context.callers.known.get(self._client) or context.callers.stranger(self._client)
            self._forwarded = forwarded(data[: head.end]) if caller.trusted else None
        self._received = data[head.end :] if len(data) != head.end else b""
        return head

    async def _exchange(self, head: RequestHead) -> bool:
        """One request and its response; whether the connection can go on."""
        context, reply, request = self.context, self._reply, head.request
        task, scope = self._reactor.current, self._scope
        scope.reset()
        exchange = Exchange(request, self._body(head), self._client, scope, self._reactor.clock())
        exchange.observer = context.observer
        callers = context.callers
        exchange.caller = callers.known.get(self._client) or callers.stranger(self._client)
        exchange.added = context.adder(request, self._client, self._forwarded)
        reply.began = False
        if head.minor:
            exchange.interim = reply.interim
        route, response = None, None
        self._channel.guard = task
        try:
            route = context.match(request, exchange.caller.namespace)
            response = await route.handler(exchange)
            if response.tunnel is not None:
                await reply.switch(response)
                early, self._received = self._received, b""
                if context.half_close_is_gone:
                    self._channel.guard = None  # in a tunnel, the end of one direction is not the client's end
                await relay(exchange, route, response, self._channel, early)
                return False
            # An answer before the request's end: what is left of the request must not be taken for the next one.
            persistent = self._request_body is None and not context.draining()
            goes_on = await reply(exchange, response, head, persistent)
            status, reason = response.status, response.reason
        except ProxyError as error:
            status, reason = error.status, error.reason
            if response is not None and response.attempt is not None:
                response.attempt.end(reason)  # its head was fine, and its body has not arrived
            goes_on = await self._report(exchange, head, error)
        finally:
            self._channel.guard = None
            if response is not None:
                response.close()
            if self._request_body is not None:  # unread: it refers to this connection, which refers to it
                self._request_body.abandon()
                self._request_body = None
            if task.has_children:
                await task.cancel_children()
        self._count(exchange, route, status, reason)
        return goes_on

    async def _connect(self, head: RequestHead) -> bool:
        """Answer a CONNECT; from a yes on, all requests of this connection mean the service port that it names.

        No tunnel: what follows is read as requests, each with its policies, and nothing but endpoints is ever called.
        After a no the connection ends, because bytes behind it were meant for somebody else.
        Source: RFC 9110, 9.3.6; RFC 9931 (a proxy that refuses CONNECT closes).
        """
        context, reactor = self.context, self._reactor
        exchange = Exchange(head.request, WholeBody(b""), self._client, self._scope, reactor.clock())
        exchange.caller = context.callers.known.get(self._client) or context.callers.stranger(self._client)
        reactor.current.limit(reactor.now + LINGER_S)
        try:
            if not context.understands_connect:
                raise ConnectAsked(head)
            route = context.match(head.request, exchange.caller.namespace)
        except ProxyError as error:
            await self._refuse_connect(exchange, error)
            return False
        self.context = replace(
            context, match=lambda _request, namespace: context.match(head.request, namespace), understands_connect=False
        )
        context.stats.connects += 1
        await self._channel.send(ESTABLISHED)
        if context.observer is not None:
            context.observer.exchange_ended(exchange, route.name, 200, "", reactor.clock() - exchange.started)
        return True

    async def _refuse_connect(self, exchange: Exchange, error: ProxyError) -> None:
        if isinstance(error, UnknownService):
            error = ConnectRefused(f"CONNECT reaches HTTP ports of services in the mesh and nothing else: {error}")
        self._count(exchange, None, error.status, error.reason)
        with suppress(ProxyError):
            await self._channel.send(self._reply.refusal(error, b""))
            await self._linger()

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
        return body

    def _keep_surplus(self, body: ReceivedBody, complete: bool) -> None:
        if complete:
            self._received = body.surplus
            self._request_body = None

    def _count(self, exchange: Exchange, route: Route | None, status: int, reason: str) -> None:
        elapsed_s = self._reactor.clock() - exchange.started
        stats: RouteStats = self.context.stats.unrouted if route is None else route.stats
        stats.count(status, reason, exchange.caller.labels, elapsed_s)
        observer = self.context.observer
        if observer is not None:
            observer.exchange_ended(exchange, "" if route is None else route.name, status, reason, elapsed_s)

    async def _report(self, exchange: Exchange, head: RequestHead, error: ProxyError) -> bool:
        """Answer with the mesh's own words, if that is still possible; whether the connection can go on."""
        if self._reply.began or isinstance(error, ClientGone):
            self._channel.close()  # a broken-off response must not look like a whole one
            return False
        self._reactor.current.limit(self._reactor.now + LINGER_S)
        persistent = self._request_body is None and not isinstance(error, BadRequest) and not self.context.draining()
        try:
            return await self._reply(exchange, error_response(error), head, persistent)
        except ProxyError:
            return False

    async def _refuse(self, error: BadRequest) -> None:
        """The next head is no request: say so, forward nothing, and hear no more of it."""
        self.context.stats.unrouted.count(error.status, error.reason, UNKNOWN.labels, 0.0)
        self._reactor.current.limit(self._reactor.now + LINGER_S)
        with suppress(ProxyError):
            await self._channel.send(self._reply.refusal(error, self._received))
            await self._linger()

    async def _end(self) -> None:
        """Nothing more is read as a request: let the client read its answer, then close."""
        if self._channel.closed:
            return
        self._reactor.current.limit(self._reactor.now + LINGER_S)
        with suppress(ProxyError):
            await self._linger()

    async def _linger(self) -> None:
        """Discard what the client still sends, bounded: closing over unread bytes would destroy the answer."""
        self._channel.half_close()
        discarded = 0
        while discarded < LINGER_BYTES and (data := await self._channel.recv()):
            discarded += len(data)
            await self._reactor.rest()
