"""The upload of a request body to an endpoint, concurrent with the response, which may start at any time."""

from typing import Protocol

from nodeproxy.errors import EndpointError, ProxyError
from nodeproxy.exchange.body import SHARE_PIECES, ending, framed
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.task import Task
from nodeproxy.protocol.message import UNKNOWN


class Carrier(Protocol):
    """The connection that a body is sent on."""

    channel: SocketChannel

    def close(self) -> None: ...


class Upload:
    """Sends an exchange's body; a child task of the exchange's own.

    A failed write is not an error here: the endpoint's response, or the lack of one, decides. A failed read of the
    client's body ends the exchange.
    """

    __slots__ = ("_channel", "_connection", "_exchange", "_parent", "_task", "awaits_client", "complete")

    def __init__(self, exchange: Exchange, connection: Carrier) -> None:
        self.complete = False
        """Whether the whole body has been sent."""
        self.awaits_client = False
        """Whether it is waiting for the client's next piece."""
        self._exchange = exchange
        self._connection = connection
        self._channel = connection.channel
        exchange.uploading = True
        self._parent: Task = self._channel.reactor.current
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
            self._connection.close()  # the endpoint must not mistake the truncated body for the whole
            self._parent.interrupt(error)
            return
        self.complete = True
        self._exchange.uploading = False
        self._exchange.scope.body_sent(self._channel.reactor.now)

    async def _send(self) -> None:
        exchange, body, reactor = self._exchange, self._exchange.body, self._channel.reactor
        chunked = body.length == UNKNOWN
        pieces = 0
        while True:
            self.awaits_client = True
            piece = await body.read()
            self.awaits_client = False
            if not piece:
                break
            exchange.scope.moved(reactor.now)
            await self._channel.send(framed(piece, chunked))
            pieces += 1
            if pieces >= SHARE_PIECES:
                pieces = 0
                await reactor.rest()
        if chunked:
            await self._channel.send(ending(body.trailers, chunked))
