"""The relay behind a 101, or the 200 of a stream: bytes go on both ways, unread, until both sides have ended theirs.

Each direction has one task, which alone reads its source and alone writes to its sink; a slow sink stops its source.
The request is over, and no deadline of it counts any more: only `timeouts.idle`, within which a byte has to move in
either direction. The kernel probes silent peers: a tunnel without that limit ends when a host vanishes. A worker
that drains leaves tunnels alone until its drain limit.
"""

from math import inf

from nodeproxy.errors import ProxyError
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.channel import Channel
from nodeproxy.io.scope import Scope
from nodeproxy.io.task import Task
from nodeproxy.protocol.message import Response, Tunnel
from nodeproxy.table.table import Route
from nodeproxy.telemetry.stats import TO_CLIENT, TO_ENDPOINT, TunnelStats

SHARE_PIECES = 4  # relayed in a row before others get a turn, up to 64 KiB each; as for bodies


async def relay(exchange: Exchange, route: Route, response: Response, client: Channel, early: bytes) -> None:
    """Relay between `client` and the tunnel of `response`, whose 101 has been sent, until it has ended.

    Counts the exchange now, for its response is complete, and reports it to the observer when the tunnel has ended.
    The endpoint's connection is closed then, the client's is left to the caller: what it still sends must be discarded
    before, or it would not get the endpoint's last words. `early` is what the client has sent already.
    """
    tunnel, clock, observer = response.tunnel, exchange.scope.task.reactor.clock, exchange.observer
    assert tunnel is not None  # the caller has looked
    route.stats.count(response.status, "", exchange.caller.labels, clock() - exchange.started)
    stats = route.stats.tunnels = route.stats.tunnels or TunnelStats()
    tunnelled = Relay(exchange.scope, client, tunnel, stats)
    try:
        await tunnelled.run(early)
    finally:
        response.close()
        if observer is not None:
            elapsed_s = clock() - exchange.started
            observer.exchange_ended(exchange, route.name, response.status, tunnelled.reason, elapsed_s)


class Relay:
    """Joins one client's connection to one endpoint's. Closes neither."""

    __slots__ = ("_client", "_endpoint", "_lost", "_reactor", "_scope", "_stats", "reason")

    def __init__(self, scope: Scope, client: Channel, endpoint: Tunnel, stats: TunnelStats) -> None:
        self.reason = "cancelled"
        """Why it ended: "" where both sides had ended theirs, else as `ProxyError.reason`."""
        self._lost = ""  # the reason of the first error
        self._scope = scope
        self._client = client
        self._endpoint = endpoint
        self._stats = stats
        self._reactor = scope.task.reactor

    async def run(self, early: bytes) -> None:
        """Relay to the end, beginning with the bytes that the client sent `early`; errors are in `reason`."""
        task, scope, stats = self._reactor.current, self._scope, self._stats
        scope.until = inf
        scope.moved(self._reactor.now)
        stats.active += 1
        try:
            to_client = task.start(self._to_client(task))
            await self._copy(self._client, self._endpoint, early, TO_ENDPOINT)
            await to_client.join()
            self.reason = self._lost
        except ProxyError as error:
            self.reason = self._lost or error.reason
        finally:
            stats.active -= 1
            stats.ended[self.reason] += 1

    async def _to_client(self, task: Task) -> None:
        """The other direction, in a child of `task`, which has the limits of both."""
        try:
            await self._copy(self._endpoint, self._client, self._endpoint.received, TO_CLIENT)
        except ProxyError as error:
            self._lost = self._lost or error.reason
            task.interrupt(error)

    async def _copy(self, source: Channel, sink: Channel, piece: bytes, direction: str) -> None:
        """Relay all that `source` sends behind `piece`, then its end.

        A failed write ends this direction only: what the sink sent before it broke may still be there to be read.
        """
        pieces, sent = 0, self._stats.bytes
        while piece or (piece := await source.recv()):
            self._scope.moved(self._reactor.now)
            try:
                await sink.send(piece)
            except sink.broken as error:
                self._lost = self._lost or error.reason
                break
            sent[direction] += len(piece)
            piece, pieces = b"", pieces + 1
            if pieces == SHARE_PIECES:
                pieces = 0
                await self._reactor.rest()
        sink.half_close()
