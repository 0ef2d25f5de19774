"""Opens connections to one endpoint, within their time and within the descriptors of the process."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from nodeproxy.balance.health import Health, connect_failed, connected
from nodeproxy.errors import ConnectFailed, ConnectionLost, DeadlinePassed, OutOfDescriptors
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.connect import connect
from nodeproxy.upstream.context import UpstreamContext

T = TypeVar("T")


class Dialer:
    """Connects to one address while it is in its service. The endpoint's health learns of each attempt."""

    __slots__ = ("_address", "_context", "_health", "_reactor", "left", "name")

    def __init__(self, context: UpstreamContext, address: tuple[str, int], name: str, health: Health) -> None:
        self.name = name
        self.left = False
        """Whether the endpoint has left its service."""
        self._context = context
        self._reactor = context.reactor
        self._address = address
        self._health = health

    def check_in_service(self) -> None:
        """Only addresses of current endpoints are dialled: another pod may have this one by now.

        Raises:
            ConnectFailed: the endpoint has left its service.
        """
        if self.left:
            raise ConnectFailed(f"{self.name}: it has left the service while the request was on its way to it")

    async def dial(self, within_s: float, greeted: Callable[[SocketChannel], Awaitable[T]]) -> T:
        """A new connection, opened by the current task, as `greeted` makes it of a channel.

        What that raises is a failure to connect, and it closes the channel then.

        Raises:
            ConnectFailed: none in `within_s` seconds (0: no limit of its own): the endpoint is ejected.
            OutOfDescriptors: this process can open no more sockets; the endpoint is not ejected.
        """
        reactor = self._reactor
        task = reactor.current
        outer = task.deadline
        if within_s:
            task.limit(min(outer, reactor.now + within_s))
        try:
            channel = await self._connected()
            connection = await greeted(channel)
        except DeadlinePassed as late:
            task.limit(outer)
            if reactor.now >= outer:
                raise  # the request's own deadline passed first: the endpoint is not at fault
            connect_failed(self._health, reactor.now)
            raise ConnectFailed(f"{self.name}: no answer within {within_s:g} s") from late
        except (ConnectFailed, OutOfDescriptors) as error:
            task.limit(outer)
            if isinstance(error, ConnectFailed):
                connect_failed(self._health, reactor.now)
            raise
        task.limit(outer)
        connected(self._health)
        self._context.all_idle.opened(channel.number)
        return connection

    async def _connected(self) -> SocketChannel:
        reactor = self._reactor
        try:
            return await connect(reactor, self._address, ConnectionLost)
        except OutOfDescriptors:
            if not self._context.all_idle.short():
                raise
        for _ in range(2):  # the closed descriptor is free after this turn, which may have begun with this task
            await reactor.rest()
        return await connect(reactor, self._address, ConnectionLost)
