"""The connections to one endpoint: idle ones are used again, and closed when they are old, ended or unwanted."""

from typing import Protocol

from nodeproxy.balance.health import Health, connect_failed, connected
from nodeproxy.errors import ConnectFailed, ConnectionLost, DeadlinePassed, OutOfDescriptors
from nodeproxy.exchange.attempt import Attempt
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.connect import connect
from nodeproxy.policies.connection_limits import ConnectionLimits
from nodeproxy.protocol.message import Response
from nodeproxy.upstream.context import UpstreamContext
from nodeproxy.upstream.http1 import Http1Connection

IDLE_MOST = 256  # per endpoint and worker; more at once are served, then closed


class UpstreamConnection(Protocol):
    """A connection to an endpoint, whatever its protocol."""

    async def send(self, attempt: Attempt) -> Response:
        """Send a request; returns the response as soon as its head has come.

        Raises:
            EndpointError: the connection failed, or what came is not a valid response.
        """
        ...

    def close(self) -> None:
        """Close it at once, whatever is under way. Idempotent."""
        ...


class Pool(Protocol):
    """The connections to one endpoint, whatever their protocol."""

    limits: ConnectionLimits | None
    """Of the cluster; None where it has none."""
    count: int
    """Its connections, open or being opened."""

    @property
    def idle_count(self) -> int:
        """The number of connections without a request."""
        ...

    def take(self) -> UpstreamConnection | None:
        """An open connection that can carry a request now, None when there is none."""
        ...

    async def open(self, within_s: float) -> UpstreamConnection:
        """A new connection, for the current task; at the cluster's limit the next one that is free.

        Raises:
            ConnectFailed: none in `within_s` seconds (0: no limit of its own): the endpoint is ejected; or it has left.
            OutOfDescriptors: this process can open no more sockets; the endpoint is not ejected.
            ConnectionPoolFull: the cluster has as many connections and waiting requests as its policy allows.
        """
        ...

    def close_oldest(self) -> bool:
        """Close the connection that has been idle longest; returns False when none is idle."""
        ...

    def drain(self) -> None:
        """The endpoint leaves: close idle connections now, those in use after their responses, and open no more."""
        ...


class Http1Pool:
    """Connections that carry one request at a time. See Pool."""

    __slots__ = (
        "_address",
        "_context",
        "_draining",
        "_health",
        "_idle",
        "_name",
        "_reactor",
        "_sweep_at",
        "count",
        "limits",
    )

    def __init__(self, context: UpstreamContext, address: tuple[str, int], name: str, health: Health) -> None:
        self.limits: ConnectionLimits | None = None
        self.count = 0
        """See `connection_limits.Limited`."""
        self._context = context
        self._reactor = context.reactor
        self._address = address
        self._name = name
        self._health = health
        self._idle: list[Http1Connection] = []
        self._draining = False
        self._sweep_at = 0.0  # when the next sweep is due, 0.0 when none is

    @property
    def idle_count(self) -> int:
        """See Pool."""
        return len(self._idle)

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
            self._draining
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
        self._check_in_service()
        if self.limits is not None:
            self.limits.check_requests()
            connection = await self._admitted(self.limits)
            if connection is not None:
                return connection
        self.count += 1
        try:
            channel = await self._opened(within_s)
        except BaseException:
            self.count -= 1
            if self.limits is not None:
                self.limits.closed(self._reactor, idle=False)
            raise
        return Http1Connection(channel, self, self._context)

    async def _admitted(self, limits: ConnectionLimits | None) -> Http1Connection | None:
        """Wait until the limits allow a connection to be opened; returns one that has become idle instead, if any."""
        task = self._reactor.current
        while limits is not None:
            if limits.is_next(task):
                connection = self._take(limits)
                if connection is not None or limits.admit():
                    limits.leave(task)
                    return connection
            await limits.wait(self._reactor)
            if self._draining:
                limits.leave(task)
                self._check_in_service()
            limits = self.limits  # others apply if the policy has changed
        return None

    def _check_in_service(self) -> None:
        """Only addresses of current endpoints are dialled: another pod may have this one by now."""
        if self._draining:
            raise ConnectFailed(f"{self._name}: it has left the service while the request was on its way to it")

    async def _opened(self, within_s: float) -> SocketChannel:
        reactor = self._reactor
        task = reactor.current
        outer = task.deadline
        if within_s:
            task.limit(min(outer, reactor.now + within_s))
        try:
            channel = await self._connected()
        except DeadlinePassed as error:
            task.limit(outer)
            if reactor.now >= outer:
                raise  # the request's own deadline passed first: the endpoint is not at fault
            connect_failed(self._health, reactor.now)
            raise ConnectFailed(f"{self._name}: no answer within {within_s:g} s") from error
        except (ConnectFailed, OutOfDescriptors) as error:
            task.limit(outer)
            if isinstance(error, ConnectFailed):
                connect_failed(self._health, reactor.now)
            raise
        task.limit(outer)
        connected(self._health)
        self._context.all_idle.opened(channel.number)
        return channel

    async def _connected(self) -> SocketChannel:
        reactor = self._reactor
        try:
            return await connect(reactor, self._address, ConnectionLost)
        except OutOfDescriptors:
            if not self._context.all_idle.short():
                raise
        for _ in range(2):  # the closed descriptor is free after this turn, which may have begun with this task
            await reactor.rest()
        return await connect(reactor, self._address, ConnectionLost)

    def close_oldest(self) -> bool:
        """See Pool."""
        if not self._idle:
            return False
        self._idle[0].close()
        return True

    def drain(self) -> None:
        """See Pool."""
        self._draining = True
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
