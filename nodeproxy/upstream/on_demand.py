"""Endpoints on demand: a request for a service that the worker has not subscribed to waits until they are known."""

from collections.abc import Callable
from dataclasses import dataclass

from nodeproxy.errors import DeadlinePassed, EndpointsUnknown, UnknownService
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.calls import park
from nodeproxy.io.reactor import Reactor
from nodeproxy.io.task import Task
from nodeproxy.upstream.subset import Group

WAIT_S = 10.0  # an API server under load may be slow; a client gets the error before its own timeout


class Changes:
    """Tasks that wait for the table to change."""

    def __init__(self, reactor: Reactor) -> None:
        self.number = 0
        """How often the table has changed."""
        self._reactor = reactor
        self._waiting: dict[Task, None] = {}

    def __len__(self) -> int:
        """The number of waiting tasks."""
        return len(self._waiting)

    def notify(self) -> None:
        """Wake all waiting tasks: the table has changed."""
        self.number += 1
        waiting, self._waiting = self._waiting, {}
        for task in waiting:
            self._reactor.wake(task)

    async def wait(self) -> None:
        """Wait until the table changes. Wake-ups may be spurious: the caller checks again."""
        task = self._reactor.current
        self._waiting[task] = None
        try:
            await park()
        finally:  # the table may not change for days, and clients leave
            self._waiting.pop(task, None)


@dataclass(frozen=True, slots=True)
class OnDemand:
    """Subscribes, and waits. It is what the innermost handler calls: a request that a policy refuses subscribes to
    nothing.
    """

    reactor: Reactor
    changes: Changes
    subscribe: Callable[[str], None]

    async def until_known(self, cluster: Group, exchange: Exchange) -> None:
        """Wait until the endpoints of `cluster` are known, within the time that `exchange` has, and WAIT_S.

        Raises:
            EndpointsUnknown: discovery has not sent the service's endpoints in time.
            UnknownService: the service has left the mesh.
        """
        key = cluster.service_key
        self.subscribe(key)
        exchange.scope.child(self.reactor.now + WAIT_S).moved(self.reactor.now)
        while not cluster.known:
            if cluster.gone:
                raise UnknownService(f"there is no {cluster.name} in the mesh any more")
            try:
                await self.changes.wait()
            except DeadlinePassed:
                text = f"discovery has not sent the endpoints of {key} in time; check that it reaches the API server"
                raise EndpointsUnknown(text) from None
        exchange.scope.moved(self.reactor.now)
