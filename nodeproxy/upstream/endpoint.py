"""One endpoint in this worker: its load, its health, its connection pool."""

from nodeproxy.balance.health import Health, connect_failed, connected
from nodeproxy.errors import ConnectFailed, ConnectionLost, DeadlinePassed, OutOfDescriptors
from nodeproxy.io.channel import SocketChannel, connect
from nodeproxy.io.reactor import Reactor
from nodeproxy.upstream.idle import IdleConnections

IDLE_MOST = 256  # per endpoint and worker; more at once are served, then closed
IDLE_S = 60.0  # nginx's keepalive_timeout; shorter than that of most servers, so that the proxy closes first


class Endpoint:
    """An address that requests may be sent to. Lives as long as it is in its service."""

    __slots__ = (
        "_all_idle", "_gone", "_idle", "_reactor", "_sweeping", "active", "address", "distance", "health", "name"
    )  # fmt: skip

    def __init__(self, reactor: Reactor, address: tuple[str, int], all_idle: IdleConnections) -> None:
        self.address = address
        self.name = f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
        self.active = 0
        """Exchanges under way."""
        self.distance = 0
        """See `model.Endpoint.distance`."""
        self.health = Health()
        self._reactor = reactor
        self._all_idle = all_idle
        self._idle: list[SocketChannel] = []
        self._gone = False
        self._sweeping = False

    @property
    def idle_count(self) -> int:
        """The number of idle connections in the pool."""
        return len(self._idle)

    def take(self) -> SocketChannel | None:
        """The idle connection that was used last, None when there is none."""
        if not self._idle:
            return None
        channel = self._idle.pop()
        channel.when_orphaned = None
        return channel

    def give_back(self, channel: SocketChannel) -> None:
        """Return a connection whose response has been read to its end to the pool.

        A connection with further input is closed: those bytes must not become part of the next request's response.
        """
        if self._gone or channel.readable or channel.ending or len(self._idle) >= IDLE_MOST:
            channel.close()
            return
        channel.reader = None
        channel.when_orphaned = self._on_idle_input
        channel.idle_since = self._reactor.now
        self._idle.append(channel)
        if not self._sweeping:
            self._sweeping = True
            self._all_idle.add(self)
            self._reactor.call_at(self._reactor.now + IDLE_S, self._sweep)

    async def connect(self, within_s: float) -> SocketChannel:
        """A new connection, for the current task.

        Raises:
            ConnectFailed: none in `within_s` seconds (0: no limit of its own); the endpoint is ejected.
            OutOfDescriptors: this process can open no more sockets; the endpoint is not ejected.
        """
        task = self._reactor.current
        outer = task.deadline
        if within_s:
            task.limit(min(outer, self._reactor.now + within_s))
        try:
            channel = await self._connected()
        except DeadlinePassed as error:
            task.limit(outer)
            if self._reactor.now >= outer:
                raise  # the request's own deadline passed first: the endpoint is not at fault
            connect_failed(self.health, self._reactor.now)
            raise ConnectFailed(f"{self.name}: no answer within {within_s:g} s") from error
        except (ConnectFailed, OutOfDescriptors) as error:
            task.limit(outer)
            if isinstance(error, ConnectFailed):
                connect_failed(self.health, self._reactor.now)
            raise
        task.limit(outer)
        connected(self.health)
        self._all_idle.opened(channel.number)
        return channel

    async def _connected(self) -> SocketChannel:
        try:
            return await connect(self._reactor, self.address, ConnectionLost)
        except OutOfDescriptors:
            if not self._all_idle.short():
                raise
        for _ in range(2):  # the closed descriptor is free after this turn, which may have begun with this task
            await self._reactor.rest()
        return await connect(self._reactor, self.address, ConnectionLost)

    def close_oldest(self) -> bool:
        """See `idle.Pool`."""
        if not self._idle:
            return False
        self._idle.pop(0).close()
        return True

    def leave(self) -> None:
        """Removed from its service: close idle connections now, those in use after their response."""
        self._gone = True
        while self._idle:
            self._idle.pop().close()

    def _on_idle_input(self, channel: SocketChannel) -> None:
        """Close an idle connection that has ended or sent unsolicited bytes: it cannot carry a request any more."""
        channel.close()
        if channel in self._idle:
            self._idle.remove(channel)

    def _sweep(self) -> None:
        unused = [channel for channel in self._idle if channel.idle_since + IDLE_S <= self._reactor.now]
        for channel in unused:
            channel.close()
            self._idle.remove(channel)
        self._sweeping = bool(self._idle)
        if not self._idle:
            self._all_idle.remove(self)
        else:
            self._reactor.call_at(self._idle[0].idle_since + IDLE_S, self._sweep)
