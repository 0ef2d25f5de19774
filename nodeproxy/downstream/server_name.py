"""TLS at an address of the proxy itself: passed through, as it is, to the service that the client names (SNI).

Only the ClientHello is read. The certificate is the endpoint's, and the mesh has no key. A client whose name means
nothing gets a TLS alert, so that it reports the name and not a broken connection.
"""

import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from math import inf
from typing import Any

from nodeproxy.downstream.closing import LINGER_S, closed_unused, linger
from nodeproxy.downstream.connection import DownstreamConnection
from nodeproxy.downstream.context import ConnectionContext
from nodeproxy.downstream.http1 import DRIPS_S, Http1Connection
from nodeproxy.downstream.opening import connection_of
from nodeproxy.downstream.tcp import TcpConnection
from nodeproxy.errors import BadRequest, ClientGone, DeadlinePassed, HeadTimeout, ProxyError, UnknownService
from nodeproxy.exchange.connection import Ended
from nodeproxy.io.channel import SocketChannel
from nodeproxy.protocol.tls import alerts
from nodeproxy.protocol.tls.client_hello import HANDSHAKE, ClientHello, HelloReader, Unread
from nodeproxy.table.table import Route

LOG_EVERY_S = 10.0  # a client that is refused comes again at once
log = logging.getLogger(__name__)


class ByServerName:
    """Accepts the TLS clients of one listener. See `connection.Accept`."""

    def __init__(self, match: Callable[[str, str, int], Route], port: int) -> None:
        """`match` is `Table.match_tls`, of the table in force; `port` is the listener's."""
        self._match = match
        self._port = port
        self._logged_s = -inf
        self._not_logged = 0

    def __call__(
        self, context: ConnectionContext, channel: SocketChannel, client: str, received: bytes
    ) -> DownstreamConnection:
        """The connection of a client from which `received` has come."""
        return ServerNameConnection(self, context, channel, client, received)

    def route_of(self, hello: ClientHello, namespace: str) -> Route:
        """The route to what a caller in this namespace names.

        Raises:
            UnknownService, UnknownCaller, NotReady: see `Table.match_tls`; or it names no server.
        """
        if hello.server_name:
            return self._match(hello.server_name, namespace, self._port)
        if hello.said:
            said = ascii(hello.said.decode("latin-1"))
            raise UnknownService(f"{said} is not a mesh name; use <service>.<namespace>.mesh as the server name")
        raise UnknownService(
            "the client names no server (SNI); call the service by its name, or at the address that it has in DNS"
        )

    def log(self, client: str, error: ProxyError, now: float) -> None:
        """Log that a client was refused at `now`, monotonic seconds: at most one in LOG_EVERY_S."""
        if now - self._logged_s < LOG_EVERY_S:
            self._not_logged += 1
            return
        more, self._not_logged, self._logged_s = self._not_logged, 0, now
        log.warning("TLS connection refused", extra={"client": client, "error": str(error), "others_before": more})


class ServerNameConnection:
    """One client on one channel until its hello has been read; see `connection.DownstreamConnection`."""

    makes_way = True

    def __init__(
        self, accepted: ByServerName, context: ConnectionContext, channel: SocketChannel, client: str, received: bytes
    ) -> None:
        self.idle_since_seen = -inf
        self._accepted = accepted
        self._context = context
        self._reactor = context.reactor
        self._channel = channel
        self._client = client
        self._received = received
        self._since = self._reactor.now

    async def serve(self) -> DownstreamConnection | None:
        """See DownstreamConnection. A client that does not begin with TLS is one of HTTP by name."""
        context, task = self._context, self._reactor.current
        task.limit(self._reactor.now + context.head_timeout_s)
        try:
            hello = await self._hello()
        except DeadlinePassed:
            if self._received:
                self._count(HeadTimeout(f"no whole ClientHello within {context.head_timeout_s:g} s"))
            return None
        task.limit(inf)
        if isinstance(hello, ClientHello):
            return await self._pass_through(hello)
        if self._received[0] != HANDSHAKE:
            return Http1Connection(context, self._channel, self._client, self._received)
        await self._refuse(
            BadRequest("not a valid ClientHello, or a longer one than any client sends"), alerts.DECODE_ERROR
        )
        return None

    async def _hello(self) -> ClientHello | Unread:
        reader = HelloReader()
        hello = reader.feed(self._received)
        while hello is Unread.MORE:
            more = await self._channel.recv()
            if not more:
                raise ClientGone("the client closed its connection before it named a server")
            self._received += more
            hello = reader.feed(more)
        return hello

    async def _pass_through(self, hello: ClientHello) -> DownstreamConnection | None:
        context = self._context
        refusing: Coroutine[Any, Any, None] | None = None
        try:
            route = self._accepted.route_of(hello, context.caller_of(self._client).namespace)
        except UnknownService as unknown:
            refusing = self._refuse(unknown, alerts.UNRECOGNIZED_NAME if hello.said else alerts.MISSING_EXTENSION)
        except ProxyError as error:
            refusing = self._refuse(error, alerts.INTERNAL_ERROR)
        if refusing is not None:
            await refusing
            return None
        only = replace(context, match=lambda _request, _namespace: route)
        return TcpConnection(only, self._channel, self._client, self._received)

    async def _refuse(self, error: ProxyError, alert: int) -> None:
        self._count(error)
        self._accepted.log(self._client, error, self._reactor.now)
        self._reactor.current.limit(self._reactor.now + LINGER_S)
        try:
            await self._channel.send(alerts.fatal(alert))
            await linger(self._channel)
        except ProxyError:
            pass

    def _count(self, error: ProxyError) -> None:
        context, unrouted = self._context, self._context.stats.unrouted
        exchange = connection_of(context, self._channel, self._client)
        unrouted.of_connections().count_refused(error.reason, exchange.caller.labels)
        if context.observer is not None:
            ended = Ended("tls", error.reason, 0, 0, self._reactor.clock() - self._since)
            context.observer.connection_ended(exchange, "", ended)

    def idle_since(self, deadline: float) -> float:
        """See DownstreamConnection: a hello that drips for longer than DRIPS_S counts from its first byte."""
        if self._received and self._reactor.now - self._since < DRIPS_S:
            return inf
        return self._since

    def make_way(self) -> bool:
        """See DownstreamConnection."""
        return closed_unused(self._channel, "closed by the mesh before it named a server")

    def drain(self) -> None:
        """See DownstreamConnection: what follows the hello drains."""

    def hang_up(self) -> None:
        """See DownstreamConnection."""
        if not self._received:
            self.make_way()
