"""One endpoint in this worker: its load, its health, its connection pool."""

from nodeproxy.balance.health import Health
from nodeproxy.balance.judge import Judge
from nodeproxy.mesh.model import PortProtocol
from nodeproxy.upstream.context import UpstreamContext
from nodeproxy.upstream.dialer import Dialer
from nodeproxy.upstream.http1_pool import Http1Pool
from nodeproxy.upstream.http2_pool import Http2Pool
from nodeproxy.upstream.pool import Pool


class Endpoint:
    """An address that requests may be sent to. Lives as long as it is in its service, with the same protocol."""

    __slots__ = ("active", "address", "distance", "health", "judges", "name", "pool", "protocol")

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
        dialer = Dialer(context, address, self.name, self.health)
        self.pool: Pool = Http2Pool(context, dialer) if protocol == "http2" else Http1Pool(context, dialer)
