"""TCP with clients: one connection that carries no HTTP, joined with one to an endpoint of its service."""

from math import inf

from nodeproxy.downstream.context import ConnectionContext
from nodeproxy.downstream.tunnel import relay
from nodeproxy.errors import NoEndpoints, UnknownService
from nodeproxy.exchange.connection import CONNECTION, of_connection
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.scope import Scope


class TcpConnection:
    """One client's connection to a service port; see `connection.DownstreamConnection`."""

    def __init__(self, context: ConnectionContext, channel: SocketChannel, client: str, received: bytes = b"") -> None:
        self.idle_since_seen = inf
        self._context = context
        self._channel = channel
        self._client = client
        self._received = received

    async def serve(self) -> None:
        """See DownstreamConnection."""
        context, reactor = self._context, self._context.reactor
        caller = context.caller_of(self._client)
        route = context.match(CONNECTION, caller.namespace)
        if route.connect is None:
            raise UnknownService(f"{route.name} takes no connections that carry no HTTP")
        exchange = of_connection(self._client, Scope(reactor.current), reactor.now)
        exchange.caller, exchange.observer = caller, context.observer
        response = await route.connect(exchange)
        if response.tunnel is None:
            raise NoEndpoints(f"{route.name}: {response.reason}")
        await relay(exchange, route, response, self._channel, self._received)

    def idle_since(self, deadline: float) -> float:
        """See DownstreamConnection: it is always in use."""
        return inf

    def make_way(self) -> bool:
        """See DownstreamConnection."""
        return False

    def drain(self) -> None:
        """See DownstreamConnection: it goes on until its ends close it, or the drain limit passes."""

    def hang_up(self) -> None:
        """See DownstreamConnection: it is never idle."""
