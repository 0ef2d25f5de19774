"""The handler of a service whose endpoints are not known: asks for them, waits, and hands over to who knows them."""

from collections.abc import Callable
from dataclasses import dataclass

from nodeproxy.errors import DeadlinePassed, EndpointsUnknown
from nodeproxy.exchange.exchange import Exchange, Handler
from nodeproxy.io.reactor import Reactor
from nodeproxy.io.task import Task, park
from nodeproxy.protocol.message import Response

WAIT_S = 10.0  # an API server under load may take its time; a client is notify before it gives up by itself


class Changes:
    """Tasks that wait for the table to be another."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._waiting: dict[Task, None] = {}

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def notify(self) -> None:
        """The table is another."""
        waiting, self._waiting = self._waiting, {}
        for task in waiting:
            self._reactor.wake(task)

    async def wait(self) -> None:
        """Until the table is another, or for no reason; the caller looks again."""
        task = self._reactor.current
        self._waiting[task] = None
        try:
            await park()
        finally:  # tables may not change for days, and clients give up
            self._waiting.pop(task, None)


@dataclass(frozen=True, slots=True)
class OnDemandContext:
    """How an unsubscribed service is woken: what all of them share, kept apart because there may be thousands."""

    reactor: Reactor
    changes: Changes
    want: Callable[[str], None]
    handler_of: Callable[[str, str, str], Handler | None]
    """The handler of a service's port, both by key, or of a pod of it; None while endpoints are not known.

    Raises UnknownService.
    """


@dataclass(frozen=True, slots=True)
class OnDemand:
    """The handler of one port of an unsubscribed service, or of the pod with this host name; "" for all of them."""

    key: str
    port: str
    """Its key, as in `mesh.model.Port.key`."""
    pod: str
    limit_s: float
    """Of the whole request, in seconds."""
    context: OnDemandContext

    async def __call__(self, exchange: Exchange) -> Response:
        """The response of an endpoint, once there are any; see `policies.exchange.Handler`.

        Raises:
            EndpointsUnknown: discovery has not said in time what stands behind the service.
            UnknownService: it is not in the mesh any more.
        """
        context = self.context
        context.want(self.key)
        scope = exchange.scope.child(min(exchange.started + self.limit_s, context.reactor.now + WAIT_S))
        scope.moved(context.reactor.now)
        while (handler := context.handler_of(self.key, self.port, self.pod)) is None:
            try:
                await context.changes.wait()
            except DeadlinePassed:
                text = (
                    f"discovery has not sent the endpoints of {self.key} in time; check that it reaches the API server"
                )
                raise EndpointsUnknown(text) from None
        exchange.scope.moved(context.reactor.now)  # that was for the wait; the handler knows what is allowed
        return await handler(exchange)
