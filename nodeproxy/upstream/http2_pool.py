"""The HTTP/2 connections to one endpoint: one, and more only when it allows no more streams on those there are."""

from nodeproxy.errors import ConnectFailed, EndpointError, OutOfDescriptors
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.event import Event
from nodeproxy.policies.connection_limits import ConnectionLimits
from nodeproxy.upstream.admission import admitted
from nodeproxy.upstream.context import UpstreamContext
from nodeproxy.upstream.dialer import Dialer
from nodeproxy.upstream.http1 import IDLE_S
from nodeproxy.upstream.http2 import Http2Connection


class Opening(Event):
    """A connection that is being opened, for which other requests wait."""

    error: EndpointError | OutOfDescriptors | None = None
    """Why it could not be opened."""


class Http2Pool:
    """Connections that carry many requests at a time. See Pool."""

    __slots__ = (
        "_connections", "_context", "_dialer", "_dialing", "_opening", "_orphans", "_reactor", "_roomy", "_sweep_at",
        "limits",
    )  # fmt: skip

    def __init__(self, context: UpstreamContext, dialer: Dialer) -> None:
        self.limits: ConnectionLimits | None = None
        self._context = context
        self._reactor = context.reactor
        self._dialer = dialer
        self._connections: list[Http2Connection] = []
        self._roomy: list[Http2Connection] = []  # that may carry one more request; looked at when one is taken
        self._opening: Opening | None = None  # the newest of those that are under way
        self._dialing = 0  # how many are
        self._orphans = 0  # requests of closed connections, until their tasks have noticed
        self._sweep_at = 0.0  # when the next sweep is due, 0.0 when none is

    @property
    def count(self) -> int:
        """See `connection_limits.Limited`."""
        return len(self._connections) + self._dialing

    @property
    def idle_count(self) -> int:
        """See Pool."""
        return sum(not connection.active for connection in self._connections)

    @property
    def active(self) -> int:
        """See Pool."""
        return sum(connection.active for connection in self._connections) + self._dialing + self._orphans

    def take(self) -> Http2Connection | None:
        """See Pool."""
        limits = self.limits
        if limits is None:
            return self._take()
        if limits.waiting:
            return None  # those that wait come first
        limits.check_requests()
        connection = self._take()
        if connection is not None:
            limits.busy += 1
        return connection

    def _take(self) -> Http2Connection | None:
        """The same connection until it is full: those beyond what the load needs become idle."""
        roomy, now = self._roomy, self._reactor.now
        while roomy:
            connection = roomy[-1]
            if connection.has_room and now < connection.expires_at:
                return connection
            roomy.pop().listed = False
        return None

    def used_up(self, requests: int) -> bool:
        """Whether a connection that was used for so many requests takes no more of them."""
        return self.limits is not None and requests >= self.limits.bounds.requests_per_connection

    def room_changed(self, connection: Http2Connection) -> None:
        """This connection may have room for more requests, or for fewer."""
        self._list(connection)
        if self.limits is not None:
            self.limits.wake_all(self._reactor)

    def stream_over(self, connection: Http2Connection) -> None:
        """A request of this connection is over."""
        reactor, limits, idle_s = self._reactor, self.limits, IDLE_S
        if limits is not None:
            limits.released(reactor)
            idle_s = min(idle_s, limits.bounds.idle_s)
        if not connection.open:
            self._orphans -= 1
        if connection.going or not connection.open:
            return
        if not connection.listed:
            self._list(connection)
        if connection.active:
            return
        connection.expires_at = reactor.now + idle_s
        if not self._sweep_at:
            self._context.all_idle.add(self)
        if not self._sweep_at or connection.expires_at < self._sweep_at:
            self._sweep_at = connection.expires_at
            reactor.call_at(connection.expires_at, self._sweep)

    def closed(self, connection: Http2Connection) -> None:
        """Note that a connection of this pool has been closed."""
        if connection not in self._connections:
            return  # it is counted as being opened
        self._connections.remove(connection)
        self._orphans += connection.active
        if connection.listed:
            connection.listed = False
            self._roomy.remove(connection)
        if self.limits is not None:
            self.limits.closed(self._reactor, idle=True)  # its requests are counted one by one

    async def open(self, within_s: float) -> Http2Connection:
        """See Pool. Requests that come while a connection is being opened wait for that one."""
        while True:
            self._dialer.check_in_service()
            limits = self.limits
            if limits is not None:
                limits.check_requests()
            opening = self._opening
            if opening is None:
                return await self._open(within_s)
            await opening.wait()
            if opening.error is not None:
                raise type(opening.error)(str(opening.error))
            connection = self.take()
            if connection is not None:
                return connection

    async def _open(self, within_s: float) -> Http2Connection:
        connection = await admitted(self, self._dialer, self._reactor, self._take_counted)
        if connection is not None:
            return connection
        opening = self._opening = Opening(self._reactor)
        self._dialing += 1
        try:
            connection = await self._dialer.dial(within_s, self._begin)
        except BaseException as error:
            if isinstance(error, ConnectFailed | OutOfDescriptors):
                opening.error = error
            self._opened(opening)
            if self.limits is not None:
                self.limits.closed(self._reactor, idle=False)
            raise
        self._connections.append(connection)
        connection.going = self._dialer.left  # it has left meanwhile: this request is the last
        self._opened(opening)
        self.room_changed(connection)
        return connection

    def _list(self, connection: Http2Connection) -> None:
        if not connection.listed and connection in self._connections:
            connection.listed = True
            self._roomy.insert(0, connection)

    async def _begin(self, channel: SocketChannel) -> Http2Connection:
        connection = Http2Connection(channel, self, self._context)
        try:
            await connection.greeting()
        except ConnectFailed as error:
            raise ConnectFailed(f"{self._dialer.name}: {error}") from error
        return connection

    def _opened(self, opening: Opening) -> None:
        self._dialing -= 1
        if self._opening is opening:
            self._opening = None
        opening.set()

    def _take_counted(self, limits: ConnectionLimits) -> Http2Connection | None:
        connection = self._take()
        if connection is not None:
            limits.busy += 1
        return connection

    def close_oldest(self) -> bool:
        """See Pool."""
        for connection in self._connections:
            if not connection.active:
                connection.close()
                return True
        return False

    def drain(self) -> None:
        """See Pool."""
        self._dialer.left = True
        for connection in tuple(self._connections):
            connection.drain()
        if self.limits is not None:
            self.limits.wake_all(self._reactor)

    def _sweep(self) -> None:
        reactor = self._reactor
        if self._sweep_at > reactor.now:
            return  # an earlier one has taken its place
        idle = [each for each in self._connections if not each.active]
        for connection in idle:
            if connection.expires_at <= reactor.now:
                connection.close()
        times = [each.expires_at for each in idle if each.open]
        if not times:
            self._sweep_at = 0.0
            self._context.all_idle.remove(self)
            return
        self._sweep_at = min(times)
        reactor.call_at(self._sweep_at, self._sweep)
