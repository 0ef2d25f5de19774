"""The sockets of UDP sessions to one endpoint: each is connected to it for one session."""

from socket import SocketType

from nodeproxy.balance.health import connect_failed, connected
from nodeproxy.errors import ConnectFailed, OutOfDescriptors
from nodeproxy.exchange.attempt import Attempt
from nodeproxy.io.capacity import is_shortage
from nodeproxy.io.datagrams import connected_datagrams
from nodeproxy.policies.connection_limits import ConnectionLimits
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Response
from nodeproxy.upstream.context import UpstreamContext

REPLIED = 200  # the status of a session that was answered, for judges of endpoints: as that of a TCP connection
SILENT = "no-reply"  # and of one that was not: no evidence, many protocols answer nothing


class UdpPool:
    """The sockets to one endpoint. See `pool.Sockets`; `connectionPool.maxConnections` counts them as connections."""

    __slots__ = ("_address", "_context", "_name", "count", "left", "limits")

    idle_count = 0
    """None is ever free for another client: late replies would reach it."""

    def __init__(self, context: UpstreamContext, address: tuple[str, int], name: str) -> None:
        self.limits: ConnectionLimits | None = None
        self.count = 0
        self.left = False
        """Whether the endpoint has left its service: another pod may have its address by now."""
        self._context = context
        self._address = address
        self._name = name

    @property
    def active(self) -> int:
        """See `pool.Sockets`."""
        return self.count

    def open(self) -> SocketType:
        """A new socket; `closed` must be called when it is not used any more.

        Raises:
            ConnectionPoolFull: the cluster has as many as its policy allows.
            OutOfDescriptors: this process can open no more sockets, or no local port is left.
            ConnectFailed: there is no route to the endpoint.
        """
        limits = self.limits
        if limits is not None:
            limits.check_requests()
            limits.admit_at_once()
        self.count += 1
        try:
            sock = connected_datagrams(self._address)
        except OSError as error:
            self.closed()
            if isinstance(error, BlockingIOError):
                raise OutOfDescriptors("no local port is left; see net.ipv4.ip_local_port_range") from error
            if not is_shortage(error):
                raise ConnectFailed(f"{self._name}: {error}") from error
            self._context.all_idle.short()
            raise OutOfDescriptors(f"no socket: {error}; raise the limit of open files") from error
        self._context.all_idle.opened(sock.fileno())
        return sock

    def closed(self) -> None:
        """Note that a socket of this pool is not used any more."""
        self.count -= 1
        if self.limits is not None:
            self.limits.closed(self._context.reactor, idle=False)

    def close_oldest(self) -> bool:
        """See `pool.Sockets`."""
        return False

    def drain(self) -> None:
        """See `pool.Sockets`: sessions choose another endpoint when their client sends again."""
        self.left = True


class UdpConnection:
    """One session's socket to one endpoint, and the attempt that it is. The session watches it and closes it."""

    __slots__ = ("attempt", "pool", "replied", "sock")

    def __init__(self, sock: SocketType, pool: UdpPool, attempt: Attempt) -> None:
        self.sock = sock
        self.pool = pool
        self.attempt = attempt
        self.replied = False
        """Whether the endpoint has sent anything."""

    def first_reply(self, now: float) -> None:
        """The endpoint has sent its first datagram, at `now`, monotonic seconds."""
        self.replied = True
        attempt = self.attempt
        attempt.first_byte, attempt.status = now, REPLIED
        attempt.exchange.tried = None  # the failures of others are history: all may be chosen the next time
        health = attempt.endpoint.health
        if health.failures:
            connected(health)
        if attempt.endpoint.judges:
            response = Response(REPLIED, Fields(), 0)
            for judge in attempt.endpoint.judges:
                judge.responded(attempt, response)

    def failed(self, now: float) -> None:
        """The endpoint has refused a datagram, or cannot be reached: eject it, as if a connect had failed."""
        self.pool.closed()
        connect_failed(self.attempt.endpoint.health, now)
        self.attempt.end(ConnectFailed.reason)

    def end(self) -> None:
        """The session does not need it any more."""
        self.pool.closed()
        self.attempt.end(REPLIED if self.replied else SILENT)
