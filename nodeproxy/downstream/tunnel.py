"""The relay behind a 101, or the 200 of a stream: bytes go on both ways, unread, until both sides have ended theirs.

Between two sockets it is `io.relay`. Where a side is a stream of HTTP/2, each direction has one task, which alone reads
its source and alone writes to its sink; a slow sink stops its source.
The request is over, and no deadline of it counts any more: only `timeouts.idle`, within which a byte has to move in
either direction. The kernel probes silent peers: a tunnel without that limit ends when a host vanishes. A worker
that drains leaves tunnels alone until its drain limit.
"""

from math import inf

from nodeproxy.errors import ProxyError
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.byte_channel import Channel
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.relay import Relay as SocketRelay
from nodeproxy.io.scope import Scope
from nodeproxy.io.task import Task
from nodeproxy.protocol.message import Response, Tunnel
from nodeproxy.table.table import Route
from nodeproxy.telemetry.stats import HTTP1, HTTP2, ConnectionStats, Counted
from nodeproxy.upstream.tunnel import SwitchedConnection

SHARE_PIECES = 4  # relayed in a row before others get a turn, up to 64 KiB each; as for bodies


async def relay(exchange: Exchange, route: Route, response: Response, client: Channel, early: bytes) -> None:
    """Relay between `client` and the tunnel of `response`, whose 101 has been sent, until it has ended.

    Counts the exchange now, for its response is complete, and reports it to the observer when the tunnel has ended.
    The endpoint's connection is closed then, the client's is left to the caller: what it still sends must be discarded
    before, or it would not get the endpoint's last words. `early` is what the client has sent already.
    """
    scope, tunnel, observer, caller = exchange.scope, response.tunnel, exchange.observer, exchange.caller.labels
    clock = scope.task.reactor.clock
    assert tunnel is not None  # the caller has looked
    began = clock()
    protocol = HTTP2 if exchange.request.version == b"2" else HTTP1
    route.stats.count(response.status, "", caller, began - exchange.started, protocol)
    stats = route.stats.of_tunnels()
    stats.count_opened()
    reason = "cancelled"
    scope.until = inf
    try:
        if isinstance(client, SocketChannel) and isinstance(tunnel, SwitchedConnection):
            reason = await _between_sockets(scope, client, tunnel, stats, early)
        else:
            reason = await Relay(scope, client, tunnel, stats).run(early)
    finally:
        stats.count_ended(reason, caller, clock() - began)
        response.close()
        if observer is not None:
            observer.exchange_ended(exchange, route.name, response.status, reason, clock() - exchange.started)


async def _between_sockets(
    scope: Scope, client: SocketChannel, tunnel: SwitchedConnection, stats: ConnectionStats, early: bytes
) -> str:
    """Relay without a task for either direction; returns why it ended, as `Relay.run`."""
    joined = SocketRelay(scope.task, client, tunnel.channel, scope.silence_s())
    joined.begin(stats.to_endpoint, stats.to_client, early, tunnel.received)
    try:
        await joined.until_over()
    except ProxyError as error:
        return joined.reason or error.reason
    finally:
        joined.end()
    return joined.reason


class Relay:
    """Joins one client's connection to one endpoint's, where a side is a stream. Closes neither."""

    __slots__ = ("_client", "_endpoint", "_lost", "_reactor", "_scope", "_stats")

    def __init__(self, scope: Scope, client: Channel, endpoint: Tunnel, stats: ConnectionStats) -> None:
        self._lost = ""  # the reason of the first error
        self._scope = scope
        self._client = client
        self._endpoint = endpoint
        self._stats = stats
        self._reactor = scope.task.reactor

    async def run(self, early: bytes) -> str:
        """Relay to the end, beginning with the bytes that the client sent `early`.

        Returns why it ended: "" where both sides had ended theirs, else as `ProxyError.reason`.
        """
        task, scope, stats = self._reactor.current, self._scope, self._stats
        scope.moved(self._reactor.now)
        try:
            to_client = task.start(self._to_client(task))
            await self._copy(self._client, self._endpoint, early, stats.to_endpoint)
            await to_client.join()
        except ProxyError as error:
            return self._lost or error.reason
        return self._lost

    async def _to_client(self, task: Task) -> None:
        """The other direction, in a child of `task`, which has the limits of both."""
        try:
            await self._copy(self._endpoint, self._client, self._endpoint.received, self._stats.to_client)
        except ProxyError as error:
            self._lost = self._lost or error.reason
            task.interrupt(error)

    async def _copy(self, source: Channel, sink: Channel, piece: bytes, sent: Counted) -> None:
        """Relay all that `source` sends behind `piece`, then its end.

        A failed write ends this direction only: what the sink sent before it broke may still be there to be read.
        """
        pieces = 0
        while piece or (piece := await source.recv()):
            self._scope.moved(self._reactor.now)
            try:
                await sink.send(piece)
            except sink.broken as error:
                self._lost = self._lost or error.reason
                break
            sent.bytes += len(piece)
            piece, pieces = b"", pieces + 1
            if pieces == SHARE_PIECES:
                pieces = 0
                await self._reactor.rest()
        sink.half_close()
