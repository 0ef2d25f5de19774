"""Attempts of one exchange that are under way at the same time: the first response head wins."""

from collections.abc import Coroutine
from typing import Any, Protocol

from nodeproxy.errors import DeadlinePassed, ProxyError
from nodeproxy.exchange.body import WholeBody
from nodeproxy.exchange.exchange import Exchange, Fork
from nodeproxy.io.calls import park
from nodeproxy.io.scope import Scope
from nodeproxy.io.task import Overtaken, Task
from nodeproxy.protocol.grpc import effective_status
from nodeproxy.protocol.message import Response

FAILED = 500  # a response with this status or a higher one does not win while another attempt is under way


def failed(exchange: Exchange, response: Response) -> bool:
    """Whether the head of `response` says that it is a failure, also of a gRPC call."""
    return (response.status if exchange.call is None else effective_status(response)) >= FAILED


class Sender(Protocol):
    """Sends the hedges of races."""

    def grant(self, exchange: Exchange, again: bool) -> bool:
        """Whether there may be a hedge now, from which on it counts; `again` says that this was refused before."""
        ...

    def ended(self) -> None:
        """A granted hedge counts no more."""
        ...

    def send(self, race: "Race") -> Coroutine[Any, Any, None]:
        """Sends one hedge, in a task of its own: it begins with `fork`, and calls `answered` and `ended`."""
        ...


class Race:
    """The first attempt runs in the exchange's own task, each hedge in a child of it that begins after the delay.

    A task that loses gets `Overtaken` at its wait, and closes its
    connection: the response that is on its way there belongs to no request.
    """

    __slots__ = (
        "_body", "_denied", "_exchange", "_forks", "_held", "_left", "_scope", "_sender", "_task", "_tasks",
        "_under_way", "_waits", "_winner", "began", "won",
    )  # fmt: skip

    def __init__(
        self,
        exchange: Exchange,
        body: WholeBody,
        most: int,
        sender: Sender,
    ) -> None:
        """Up to `most` hedges begin."""
        self._exchange: Exchange | None = exchange  # None when it has its answer
        self.won = False
        """Whether the answer is a hedge's."""
        self.began = exchange.scope.task.reactor.now
        """When the attempt whose answer it is has begun, monotonic seconds."""
        self._body = body
        self._scope = exchange.scope
        self._task: Task = exchange.scope.task
        self._left = most
        self._sender = sender
        self._denied = False
        self._forks: list[Fork] = []
        self._tasks: list[Task] = []
        self._under_way = 0
        self._waits = False  # whether the first attempt has ended
        self._winner: tuple[Fork, Response, float] | None = None  # the last one is `began`
        self._held: tuple[Fork, Response, float] | None = None  # a failure, for the case that nothing better comes

    def hedge(self) -> bool:
        """The delay has passed: begin a hedge; returns whether one more may follow after the next delay."""
        exchange = self._exchange
        if exchange is None:
            return False
        if exchange.endpoint is None:  # it waits for the endpoints of its service to be known
            return True
        if not self._sender.grant(exchange, self._denied):
            self._denied = True
            return True
        self._left -= 1
        self._under_way += 1
        self._tasks.append(self._task.start(self._sender.send(self)))
        return self._left > 0

    def fork(self) -> Fork:
        """The exchange once more, for the current task, to an endpoint that no other attempt of it is at."""
        reactor, exchange = self._task.reactor, self._exchange
        assert exchange is not None  # its hedges are interrupted when it has its answer
        tried = [*(exchange.tried or ()), exchange.endpoint, *(fork.endpoint for fork in self._forks)]
        fork = Fork(exchange, self._body.copy(), Scope(reactor.current, self._scope), tried)
        fork.scope.moved(reactor.now)
        self._forks.append(fork)
        return fork

    def answered(self, fork: Fork, response: Response, began: float) -> None:
        """A hedge has a response; it began at `began`."""
        if self._exchange is None or self._winner is not None:
            response.close()
        elif not failed(fork, response):
            self._winner = fork, response, began
            if not self._waits:
                self._task.interrupt(Overtaken())
        elif self._held is None:
            self._held = fork, response, began
        else:
            response.close()

    def ended(self) -> None:
        """A hedge has ended, whatever came of it."""
        self._under_way -= 1
        self._sender.ended()
        if self._waits:
            self._task.reactor.wake(self._task)

    def goes_on(self, error: ProxyError) -> bool:
        """Whether there may be a response in spite of the first attempt's `error`."""
        if error.fault == "client":
            return False
        if self._winner is not None:
            return True
        others = self._held is not None or self._under_way > 0
        return others and type(error) is not DeadlinePassed  # which would be the exchange's own

    async def outcome(self) -> Response | None:
        """The first good response of the hedges, or one of their failures; None when none has any."""
        self._waits = True
        self._scope.moved(self._task.reactor.now)
        while self._under_way and self._winner is None:
            await park()
        return self.take()

    async def better_than(self, response: Response) -> Response:
        """A good response of the hedges, else the failure that the first attempt has as its `response`."""
        if not self._under_way:
            return response
        self._waits = True
        try:
            while self._under_way and self._winner is None:
                await park()
        except BaseException:
            response.close()
            raise
        if self._winner is None:
            return response
        response.close()
        return self.take() or response

    def take(self) -> Response | None:
        """The response of the hedge that has won."""
        best = self._winner or self._held
        if best is None:
            return None
        self._winner = None
        if best is self._held:
            self._held = None
        fork, response, self.began = best
        if self._exchange is not None:
            self._exchange.endpoint = fork.endpoint
        self._scope.moved(self._task.reactor.now)  # its own attempt had limits that were not its exchange's
        self.won = True
        return response

    def end(self) -> None:
        """The exchange has its answer, or none: what is left of other attempts ends. References are dropped."""
        exchange, self._exchange = self._exchange, None
        if exchange is None or not self._tasks:
            return
        for task in self._tasks:
            task.interrupt(Overtaken())
        for _ in range(len(self._tasks) - len(self._forks)):  # a task interrupted before its first step takes none
            self._sender.ended()
        for other in (self._winner, self._held):
            if other is not None:
                other[1].close()
        for fork in self._forks:
            exchange.tries += fork.tries
            exchange.shadowed += fork.shadowed
            exchange.answered = exchange.answered or fork.answered
            if fork.endpoint is not None:
                exchange.tried = [*(exchange.tried or ()), fork.endpoint]
        self._tasks, self._forks, self._winner, self._held = [], [], None, None
