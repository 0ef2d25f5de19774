"""The connection to an endpoint that a client's TCP connection is joined with, also before it is known to be wanted."""

from typing import NamedTuple

from nodeproxy.downstream.context import ConnectionContext
from nodeproxy.errors import ConnectionLost, ProxyError, UnknownService
from nodeproxy.exchange.connection import CONNECTION, Connection
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.scope import Scope
from nodeproxy.io.task import Task
from nodeproxy.protocol.message import Response, Tunnel
from nodeproxy.table.table import Route


class Opened(NamedTuple):
    """A connection of a client as an exchange, whose response has a tunnel to an endpoint."""

    exchange: Connection
    route: Route
    response: Response
    passed: bytes = b""
    """What the endpoint has been sent already."""


def connection_of(context: ConnectionContext, channel: SocketChannel, client: str) -> Connection:
    """The exchange of this client's connection, for the current task."""
    reactor = context.reactor
    exchange = Connection(client, channel.addresses, Scope(reactor.current), reactor.clock())
    exchange.caller, exchange.observer = context.caller_of(client), context.observer
    return exchange


def route_of(context: ConnectionContext, exchange: Connection) -> Route:
    """What the listener serves.

    Raises:
        UnknownService: the port has left the mesh, or takes no connections that carry no HTTP.
    """
    route = context.match(CONNECTION, exchange.caller.namespace)
    if route.connect is None:
        raise UnknownService(f"{route.name} takes no connections that carry no HTTP")
    return route


class Opening:
    """Opens one while its client is silent, and waits for the endpoint to speak. Wakes the client's task for each."""

    def __init__(self, context: ConnectionContext, channel: SocketChannel, client: str, task: Task) -> None:
        self.opened: Opened | None = None
        self.failed = False
        """Whether there is none, and none to come."""
        self.spoke = False
        """Whether the endpoint has sent something, which its tunnel holds as `received`, or has ended its side."""
        self._context = context
        self._channel = channel
        self._client = client
        self._task = task
        self._child = task.start(self._run())

    async def _run(self) -> None:
        task, context = self._task, self._context
        try:
            exchange = connection_of(context, self._channel, self._client)
            route = route_of(context, exchange)
            assert route.connect is not None  # see `route_of`
            response = await route.connect(exchange)
            if response.tunnel is not None:  # else a policy has refused it
                self.opened = Opened(exchange, route, response)
                task.reactor.wake(task)
                await _first_word(response.tunnel)
                self.spoke = True
        except ProxyError:
            self.close()  # the client has asked for nothing yet: when it does, this is tried again, and reported then
        finally:
            self.failed = self.opened is None
            task.reactor.wake(task)

    async def stop(self) -> Opened | None:
        """Wait for it no longer; returns the connection if there is one, which is the caller's from now on."""
        self._child.cancel()
        await self._child.join()
        found, self.opened = self.opened, None
        return found

    def close(self) -> None:
        """Close the connection if there is one. The endpoint is not blamed: it has not been asked for anything."""
        if self.opened is not None:
            self.opened.response.close()
            self.opened = None


async def _first_word(tunnel: Tunnel) -> None:
    """Wait for it. Raises EndpointLeft: the endpoint is not to be used any more."""
    try:
        tunnel.received = await tunnel.recv()
    except ConnectionLost:  # an end as well: the relay finds the same
        pass
