"""One endpoint in this worker: its load, its health, its connection pool."""

from nodeproxy.balance.health import Health
from nodeproxy.balance.judge import Judge
from nodeproxy.upstream.context import UpstreamContext
from nodeproxy.upstream.pool import Http1Pool, Pool


class Endpoint:
    """An address that requests may be sent to. Lives as long as it is in its service."""

    __slots__ = ("active", "address", "distance", "health", "judges", "name", "pool")

    def __init__(self, context: UpstreamContext, address: tuple[str, int]) -> None:
        self.address = address
        self.name = f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
        self.active = 0
        """Exchanges under way."""
        self.distance = 0
        """See `model.Endpoint.distance`."""
        self.health = Health()
        self.judges: tuple[Judge, ...] = ()
        """They are notified of every attempt at this endpoint."""
        self.pool: Pool = Http1Pool(context, address, self.name, self.health)
