"""A request body on its way to an endpoint, beside the response that may come at any time."""

from nodeproxy.errors import EndpointError, ProxyError
from nodeproxy.net.body import ending, framed
from nodeproxy.net.channel import SocketChannel
from nodeproxy.net.task import Task
from nodeproxy.policies.exchange import Exchange
from nodeproxy.protocol.head import CHUNKED

SHARE_BYTES = 256 * 1024  # moved in one go before others get a turn; about 100 us


class Upload:
    """Sends an exchange's body; a child task of the exchange's own.

    The endpoint's refusal to read is not an error here: its response, or the lack of one, decides. The client's
    failure to send the body ends the exchange.
    """

    __slots__ = ("_channel", "_exchange", "_idle_s", "_parent", "_task", "complete")

    def __init__(self, exchange: Exchange, channel: SocketChannel, idle_s: float) -> None:
        self.complete = False
        """Whether the whole body has been sent."""
        self._exchange = exchange
        self._channel = channel
        self._idle_s = idle_s
        self._parent: Task = channel.reactor.current
        self._task = self._parent.start(self._run())

    def stop(self) -> None:
        """Send no more of it."""
        self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._send()
        except EndpointError:
            return
        except ProxyError as error:
            self._channel.close()  # the endpoint must not take what it has for the whole
            self._parent.interrupt(error)
            return
        self.complete = True
        if self._exchange.allowance_s:
            self._parent.limit(self._channel.reactor.now + self._exchange.allowance_s)

    async def _send(self) -> None:
        body, reactor = self._exchange.body, self._channel.reactor
        chunked = body.length == CHUNKED
        moved = 0
        while True:
            if self._idle_s:
                self._task.limit(reactor.now + self._idle_s)
            piece = await body.read()
            if not piece:
                break
            await self._channel.send(framed(piece, chunked))
            moved += len(piece)
            if moved >= SHARE_BYTES:
                moved = 0
                await reactor.rest()
        if chunked:
            await self._channel.send(ending(body.trailers, chunked))
