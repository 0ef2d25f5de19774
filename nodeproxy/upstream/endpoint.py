"""One endpoint in this worker: its load, its health, its connection pools."""

from collections.abc import Callable, Iterator, Mapping

from nodeproxy.balance.health import Health
from nodeproxy.balance.judge import Judge
from nodeproxy.errors import NoEndpoints
from nodeproxy.mesh.model import PortProtocol
from nodeproxy.protocol.message import Request
from nodeproxy.upstream.context import UpstreamContext
from nodeproxy.upstream.dialer import Dialer
from nodeproxy.upstream.http1_pool import Http1Pool
from nodeproxy.upstream.http2_pool import Http2Pool
from nodeproxy.upstream.pool import Pool, Sockets
from nodeproxy.upstream.tcp_pool import TcpPool
from nodeproxy.upstream.udp_pool import UdpPool

_MAKERS: Mapping[PortProtocol, Callable[[UpstreamContext, Dialer], Pool]] = {
    "http2": Http2Pool, "tcp": TcpPool, "tls": TcpPool,
}  # fmt: skip
# Where a port does not say what it speaks, its endpoints are spoken to as the client speaks: by `Request.version`.
_DETECTED: Mapping[bytes, Callable[[UpstreamContext, Dialer], Pool]] = {b"2": Http2Pool, b"": TcpPool}


class Endpoint:
    """An address that requests may be sent to. Lives as long as it is in its service, with the same protocol."""

    __slots__ = (
        "_others", "active", "address", "datagrams", "distance", "health", "judges", "name", "pool", "protocol",
    )  # fmt: skip

    def __init__(self, context: UpstreamContext, address: tuple[str, int], protocol: PortProtocol = "http") -> None:
        self.address = address
        self.protocol = protocol
        """Of its port."""
        self.name = f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
        self.active = 0
        """Exchanges under way."""
        self.distance = 0
        """See `model.Endpoint.distance`."""
        self.health = Health()
        self.judges: tuple[Judge, ...] = ()
        """They are notified of every attempt at this endpoint."""
        self.datagrams: UdpPool | None = None
        """The sockets of its sessions where its port speaks UDP; None for every other port."""
        self.pool: Pool | None = None
        """The connections of its own protocol; None where its port speaks UDP: then no request is for it."""
        self._others: Mapping[bytes, Pool] | None = None
        if protocol == "udp":
            self.datagrams = UdpPool(context, address, self.name)
            return
        dialer = Dialer(context, address, self.name, self.health)
        self.pool = _MAKERS.get(protocol, Http1Pool)(context, dialer)
        if protocol == "detect":
            self._others = {version: make(context, dialer) for version, make in _DETECTED.items()}

    def pool_for(self, request: Request) -> Pool:
        """The connections that can carry `request`.

        Raises:
            NoEndpoints: its port speaks UDP, whose datagrams are sent from `datagrams`.
        """
        others = self._others
        pool = self.pool if others is None else others.get(request.version, self.pool)
        if pool is None:
            raise NoEndpoints(f"{self.name} is an endpoint of a UDP port, which takes no requests")
        return pool

    @property
    def connections(self) -> int:
        """Those of `active` that are TCP connections without HTTP, open or being opened."""
        return sum(pool.count for pool in self.pools if isinstance(pool, TcpPool))

    @property
    def pools(self) -> Iterator[Sockets]:
        """All of them, one for each protocol."""
        if self.pool is not None:
            yield self.pool
        if self.datagrams is not None:
            yield self.datagrams
        if self._others is not None:
            yield from self._others.values()
