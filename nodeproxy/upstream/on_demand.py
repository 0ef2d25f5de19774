"""The handler of an unsubscribed service: subscribes to it, waits for its endpoints, then calls its real handler."""

from collections.abc import Callable
from dataclasses import dataclass

from nodeproxy.errors import DeadlinePassed, EndpointsUnknown
from nodeproxy.exchange.exchange import Exchange, Handler
from nodeproxy.io.reactor import Reactor
from nodeproxy.io.task import Task, park
from nodeproxy.protocol.message import Response

WAIT_S = 10.0  # an API server under load may be slow; a client gets the error before its own timeout


class Changes:
    """Tasks that wait for the table to change."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._waiting: dict[Task, None] = {}

    def __len__(self) -> int:
        """The number of waiting tasks."""
        return len(self._waiting)

    def notify(self) -> None:
        """Wake all waiting tasks: the table has changed."""
        waiting, self._waiting = self._waiting, {}
        for task in waiting:
            self._reactor.wake(task)

    async def wait(self) -> None:
        """Wait until the table changes. Wake-ups may be spurious: the caller checks again."""
        task = self._reactor.current
        self._waiting[task] = None
        try:
            await park()
        finally:  # tables may not change for days, and clients give up
            self._waiting.pop(task, None)


@dataclass(frozen=True, slots=True)
class OnDemandContext:
    """What the handlers of all unsubscribed services share; a separate object because there may be thousands."""

    reactor: Reactor
    changes: Changes
    want: Callable[[str], None]
    handler_of: Callable[[str, str, str], Handler | None]
    """Returns the handler of a service's port, both by key, or of a pod of it; None while its endpoints are unknown.

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
        """The response of an endpoint, once the endpoints are known; see `exchange.exchange.Handler`.

        Raises:
            EndpointsUnknown: discovery has not sent the service's endpoints in time.
            UnknownService: the service has been removed from the mesh.
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
