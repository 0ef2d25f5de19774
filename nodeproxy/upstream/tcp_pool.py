"""The TCP connections to one endpoint that carry no HTTP: each is opened for one client and ends with it."""

from nodeproxy.exchange.attempt import Attempt
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

    __slots__ = ("_pool", "channel")

    def __init__(self, channel: SocketChannel, pool: "TcpPool") -> None:
        self.channel = channel
        self._pool = pool

    async def send(self, attempt: Attempt) -> Response:
        """The tunnel, as the response to `attempt`; see `pool.UpstreamConnection`."""
        attempt.exchange.deliveries += 1
        response = Response(CONNECTED, Fields(), 0)
        response.tunnel = SwitchedConnection(self, b"")
        return response

    def close(self) -> None:
        """See `pool.UpstreamConnection`."""
        if not self.channel.closed:
            self.channel.close()
            self._pool.closed()


class TcpPool:
    """Connections that carry bytes, one for each client. See Pool."""

    __slots__ = ("_dialer", "_reactor", "count", "limits")

    idle_count = 0
    """See Pool: none is ever idle."""

    def __init__(self, context: UpstreamContext, dialer: Dialer) -> None:
        self.limits: ConnectionLimits | None = None
        self.count = 0
        """See `connection_limits.Limited`."""
        self._reactor = context.reactor
        self._dialer = dialer

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
            await admitted(self, self._dialer, self._reactor, _none_is_free)
        self.count += 1
        try:
            return await self._dialer.dial(within_s, self._begin)
        except BaseException:
            self.closed()
            raise

    def closed(self) -> None:
        """Note that a connection of this pool has been closed, or could not be opened."""
        self.count -= 1
        if self.limits is not None:
            self.limits.closed(self._reactor, idle=False)

    def close_oldest(self) -> bool:
        """See Pool."""
        return False

    def drain(self) -> None:
        """See Pool: its clients keep their connections to an endpoint that has left its service."""
        self._dialer.left = True
        if self.limits is not None:
            self.limits.wake_all(self._reactor)

    async def _begin(self, channel: SocketChannel) -> TcpConnection:
        return TcpConnection(channel, self)


def _none_is_free(_limits: ConnectionLimits) -> None:
    """See `admission.admitted`: a client's connection is of no use to another one."""
