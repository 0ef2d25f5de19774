"""The HTTP/1.1 connections to one endpoint: idle ones are used again, and closed when old, ended or unwanted."""

from nodeproxy.io.channel import SocketChannel
from nodeproxy.policies.connection_limits import ConnectionLimits
from nodeproxy.upstream.admission import admitted
from nodeproxy.upstream.context import UpstreamContext
from nodeproxy.upstream.dialer import Dialer
from nodeproxy.upstream.http1 import Http1Connection

IDLE_MOST = 256  # per endpoint and worker; more at once are served, then closed


class Http1Pool:
    """Connections that carry one request at a time. See Pool."""

    __slots__ = ("_context", "_dialer", "_idle", "_reactor", "_sweep_at", "count", "limits")

    def __init__(self, context: UpstreamContext, dialer: Dialer) -> None:
        self.limits: ConnectionLimits | None = None
        self.count = 0
        """See `connection_limits.Limited`."""
        self._context = context
        self._reactor = context.reactor
        self._dialer = dialer
        self._idle: list[Http1Connection] = []
        self._sweep_at = 0.0  # when the next sweep is due, 0.0 when none is

    @property
    def idle_count(self) -> int:
        """See Pool."""
        return len(self._idle)

    @property
    def active(self) -> int:
        """See Pool."""
        return self.count - len(self._idle)

    def take(self) -> Http1Connection | None:
        """See Pool: the one that was used last."""
        limits = self.limits
        if limits is not None and self._idle:
            if limits.waiting:
                return None  # those that wait come first
            limits.check_requests()
        return self._take(limits) if self._idle else None

    def _take(self, limits: ConnectionLimits | None) -> Http1Connection | None:
        idle, now = self._idle, self._reactor.now
        while idle:
            connection = idle[-1]
            if now < connection.expires_at:
                del idle[-1]
                connection.channel.when_orphaned = None
                if limits is not None:
                    limits.busy += 1
                return connection
            connection.close()
        return None

    def release(self, connection: Http1Connection) -> None:
        """Put back a connection whose response has been read to its end, or close it.

        A connection with further input is closed: those bytes must not become part of the next request's response.
        """
        channel, limits = connection.channel, self.limits
        idle_s = connection.idle_s
        if limits is not None:
            idle_s = min(idle_s, limits.bounds.idle_s)
        if (
            self._dialer.left
            or channel.readable
            or channel.ending
            or len(self._idle) >= IDLE_MOST
            or idle_s <= 0
            or (limits is not None and connection.requests >= limits.bounds.requests_per_connection)
        ):
            connection.close()
            return
        reactor = self._reactor
        channel.reader = None
        channel.when_orphaned = connection.on_idle_input
        connection.expires_at = reactor.now + idle_s
        self._idle.append(connection)
        if limits is not None:
            limits.released(reactor)
        if not self._sweep_at:
            self._context.all_idle.add(self)
        if not self._sweep_at or connection.expires_at < self._sweep_at:
            self._sweep_at = connection.expires_at
            reactor.call_at(connection.expires_at, self._sweep)

    def closed(self, connection: Http1Connection) -> None:
        """Note that a connection of this pool has been closed."""
        self.count -= 1
        idle = connection in self._idle
        if idle:
            self._idle.remove(connection)
        if self.limits is not None:
            self.limits.closed(self._reactor, idle)

    async def open(self, within_s: float) -> Http1Connection:
        """See Pool."""
        self._dialer.check_in_service()
        if self.limits is not None:
            self.limits.check_requests()
            connection = await admitted(self, self._dialer, self._reactor, self._take)
            if connection is not None:
                return connection
        self.count += 1
        try:
            return await self._dialer.dial(within_s, self._begin)
        except BaseException:
            self.count -= 1
            if self.limits is not None:
                self.limits.closed(self._reactor, idle=False)
            raise

    async def _begin(self, channel: SocketChannel) -> Http1Connection:
        return Http1Connection(channel, self, self._context)

    def close_oldest(self) -> bool:
        """See Pool."""
        if not self._idle:
            return False
        self._idle[0].close()
        return True

    def drain(self) -> None:
        """See Pool."""
        self._dialer.left = True
        while self._idle:
            self._idle[-1].close()
        if self.limits is not None:
            self.limits.wake_all(self._reactor)

    def _sweep(self) -> None:
        reactor = self._reactor
        if self._sweep_at > reactor.now:
            return  # an earlier one has taken its place
        for connection in [each for each in self._idle if each.expires_at <= reactor.now]:
            connection.close()
        if not self._idle:
            self._sweep_at = 0.0
            self._context.all_idle.remove(self)
            return
        self._sweep_at = min(each.expires_at for each in self._idle)
        reactor.call_at(self._sweep_at, self._sweep)
