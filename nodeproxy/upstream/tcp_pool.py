"""The TCP connections to one endpoint that carry no HTTP: each is opened for one client and ends with it."""

from functools import partial
from math import inf

from nodeproxy.errors import ConnectionPoolFull, DeadlinePassed, EndpointLeft
from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.channel import SocketChannel
from nodeproxy.policies.connection_limits import ConnectionLimits
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Response
from nodeproxy.upstream.admission import admitted
from nodeproxy.upstream.context import UpstreamContext
from nodeproxy.upstream.dialer import Dialer
from nodeproxy.upstream.tunnel import SwitchedConnection

CONNECTED = 200  # the status of a connection for judges of endpoints: as the response to CONNECT (RFC 9110, 9.3.6)


class TcpConnection:
    """One connection to an endpoint: a tunnel for one client. See `pool.UpstreamConnection`."""

    __slots__ = ("_pool", "channel", "exchange", "open")

    def __init__(self, channel: SocketChannel, pool: "TcpPool") -> None:
        self.channel = channel
        self.open = True
        self.exchange: Exchange | None = None
        """That of its client, whose task may change; None before it is sent."""
        self._pool = pool

    async def send(self, attempt: Attempt) -> Response:
        """The tunnel, as the response to `attempt`; see `pool.UpstreamConnection`."""
        exchange = self.exchange = attempt.exchange
        exchange.deliveries += 1
        attempt.first_byte = self.channel.reactor.now  # what a connection can show of an endpoint's latency
        if exchange.added:
            try:
                await self.channel.send(exchange.added)
            except BaseException:
                self.close()
                raise
        response = Response(CONNECTED, Fields(), 0)
        response.tunnel = SwitchedConnection(self, b"")
        return response

    def close(self) -> None:
        """See `pool.UpstreamConnection`."""
        if self.open:
            self.open = False
            self.channel.close()
            self._pool.leave(self)


class TcpPool:
    """Connections that carry bytes, one for each client. See Pool."""

    __slots__ = ("_dialer", "_open", "_reactor", "count", "limits")

    idle_count = 0
    """See Pool: none is ever idle."""

    def __init__(self, context: UpstreamContext, dialer: Dialer) -> None:
        self.limits: ConnectionLimits | None = None
        self.count = 0
        """See `connection_limits.Limited`."""
        self._reactor = context.reactor
        self._dialer = dialer
        self._open: set[TcpConnection] = set()

    @property
    def active(self) -> int:
        """See Pool."""
        return self.count

    def take(self) -> None:
        """See Pool: there is none that is free."""

    async def open(self, within_s: float) -> TcpConnection:
        """See Pool."""
        self._dialer.check_in_service()
        if self.limits is not None:
            self.limits.check_requests()
            await self._admitted(within_s)
        self.count += 1
        try:
            return await self._dialer.dial(within_s, self._begin)
        except BaseException:
            self._closed()
            raise

    async def _admitted(self, within_s: float) -> None:
        """Wait for a place. Nothing else bounds the wait of a client that has asked for nothing yet."""
        task, now = self._reactor.current, self._reactor.now
        outer = task.deadline
        if within_s:
            task.limit(min(outer, now + within_s))
        try:
            await admitted(self, self._dialer, self._reactor, _none_is_free)
        except DeadlinePassed as error:
            if self._reactor.now >= outer:
                raise
            why = f"{self._dialer.name}: no connection has ended within timeouts.connect, {within_s:g} s"
            raise ConnectionPoolFull(f"connectionPool.maxConnections: {why}") from error
        finally:
            task.limit(outer)

    def leave(self, connection: TcpConnection) -> None:
        """Note that a connection of this pool has been closed."""
        self._open.discard(connection)
        self._closed()

    def _closed(self) -> None:
        self.count -= 1
        if self.limits is not None:
            self.limits.closed(self._reactor, idle=False)

    def close_oldest(self) -> bool:
        """See Pool."""
        return False

    def drain(self) -> None:
        """See Pool: clients keep their connections to an endpoint that has left, for `connectionPool.drain`.

        Nothing in the bytes shows where one could be ended without harm.
        """
        self._dialer.left = True
        if self.limits is None:
            return
        self.limits.wake_all(self._reactor)
        drain_s = self.limits.bounds.drain_s
        if drain_s < inf:
            self._reactor.call_at(self._reactor.clock() + drain_s, partial(self._end_all, drain_s))

    def _end_all(self, drain_s: float) -> None:
        for connection in self._open:
            text = f"{self._dialer.name} has left the service; connectionPool.drain is {drain_s:g} s"
            if connection.exchange is not None:
                connection.exchange.scope.task.interrupt(EndpointLeft(text))

    async def _begin(self, channel: SocketChannel) -> TcpConnection:
        connection = TcpConnection(channel, self)
        self._open.add(connection)
        return connection


def _none_is_free(_limits: ConnectionLimits) -> None:
    """See `admission.admitted`: a client's connection is of no use to another one."""
