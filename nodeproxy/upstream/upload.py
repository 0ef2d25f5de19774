"""The upload of a request body to an endpoint, concurrent with the response, which may start at any time."""

from typing import Protocol

from nodeproxy.errors import EndpointError, ProxyError
from nodeproxy.exchange.body import SHARE_PIECES
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.task import Task


class Sink(Protocol):
    """Where a body goes, in the protocol of its connection."""

    async def send(self, piece: bytes) -> None:
        """Send a piece; waits while the endpoint does not read.

        Raises:
            EndpointError: the connection is broken.
        """
        ...

    async def finish(self, trailers: bytes) -> None:
        """The body is complete."""
        ...

    def abort(self) -> None:
        """The body ends too early: the endpoint must not mistake what it has for the whole."""
        ...


class Upload:
    """Sends an exchange's body; a child task of the exchange's own.

    A failed write is not an error here: the endpoint's response, or the lack of one, decides. A failed read of the
    client's body ends the exchange.
    """

    __slots__ = ("_exchange", "_parent", "_reactor", "_sink", "_task", "awaits_client", "complete")

    def __init__(self, exchange: Exchange, sink: Sink) -> None:
        self.complete = False
        """Whether the whole body has been sent."""
        self.awaits_client = False
        """Whether it is waiting for the client's next piece."""
        self._exchange = exchange
        self._sink = sink
        exchange.uploading = True
        self._parent: Task = exchange.scope.task.reactor.current
        self._reactor = self._parent.reactor
        self._task = self._parent.start(self._run())

    def stop(self) -> None:
        """Stop sending the body."""
        self._exchange.uploading = False
        self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._send()
        except EndpointError:
            self._exchange.uploading = False
            return
        except ProxyError as error:
            self._sink.abort()
            self._parent.interrupt(error)
            return
        self.complete = True
        self._exchange.uploading = False
        self._exchange.scope.body_sent(self._reactor.now)

    async def _send(self) -> None:
        exchange, body, reactor = self._exchange, self._exchange.body, self._reactor
        pieces = 0
        while True:
            self.awaits_client = True
            piece = await body.read()
            self.awaits_client = False
            if not piece:
                break
            exchange.scope.moved(reactor.now)
            await self._sink.send(piece)
            pieces += 1
            if pieces >= SHARE_PIECES:
                pieces = 0
                await reactor.rest()
        await self._sink.finish(body.trailers)
