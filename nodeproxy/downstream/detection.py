"""A client of a port that does not say what it speaks: whoever speaks first decides, the client or an endpoint.

A client that begins with a request line or HTTP/2's preface speaks HTTP from then on; one that begins with anything
else is joined with an endpoint (`protocol.first_bytes`). An endpoint is connected to when a client has been silent for
DETECT_S, because servers of some protocols speak first; until one does, the client may still turn out to speak HTTP,
and that connection is closed. It is closed after GREETING_S as well: it takes a place in `connectionPool`.

The beginning of a line is held back for DETECT_S at most, then passed on, for it may be all that a client says before
it wants an answer. If it becomes a request line after all, the request is refused: a client cannot get around the
policies for requests by sending slowly.
"""

from collections.abc import Mapping
from math import inf

from nodeproxy.downstream.closing import LINGER_S, closed_unused, linger
from nodeproxy.downstream.connection import Accept, DownstreamConnection
from nodeproxy.downstream.context import ConnectionContext
from nodeproxy.downstream.http1 import Http1Connection
from nodeproxy.downstream.http1_reply import Reply
from nodeproxy.downstream.http2 import Http2Connection
from nodeproxy.downstream.opening import Opening
from nodeproxy.downstream.tcp import TcpConnection
from nodeproxy.errors import ConnectionLost, DeadlinePassed, HeadTimeout, ProxyError
from nodeproxy.io.calls import park
from nodeproxy.io.channel import SocketChannel
from nodeproxy.protocol.first_bytes import Detected, detected

_ACCEPTS: Mapping[Detected, Accept] = {
    Detected.HTTP1: Http1Connection, Detected.HTTP2: Http2Connection, Detected.BYTES: TcpConnection,
}  # fmt: skip
DETECT_S = 0.05  # a client of this node that speaks first has done so within a millisecond; users notice 100 ms
GREETING_S = 60.0  # for an endpoint to speak first: the slowest are mail servers, which look the client up before


class DetectingConnection:
    """One client on one channel until it is known what it speaks; see `connection.DownstreamConnection`."""

    makes_way = True

    def __init__(self, context: ConnectionContext, channel: SocketChannel, client: str, received: bytes = b"") -> None:
        self.idle_since_seen = -inf
        self._context = context
        self._reactor = context.reactor
        self._channel = channel
        self._client = client
        self._received = received
        self._passed = 0  # of these, what an endpoint has been sent
        self._since = self._reactor.now  # when it was accepted; later, when its first byte came
        self._protocol = detected(received)
        self._listened = False  # whether an endpoint has had its time to speak first, and has not

    async def serve(self) -> DownstreamConnection | None:
        """See DownstreamConnection."""
        silent_s = self._context.idle_timeout_s if self._listened else DETECT_S
        self._reactor.current.limit(self._since + silent_s)
        try:
            while self._protocol is None:
                self._add(await self._channel.recv())
        except DeadlinePassed:
            if self._listened and not self._received:
                return None
        if self._protocol is None:
            return await self._serve_beside_endpoint()
        return self._successor()

    def _add(self, data: bytes) -> None:
        if data:
            if not self._received:
                self._since = self._reactor.now
                self._reactor.current.limit(self._since + DETECT_S)
            self._received += data
            self._protocol = detected(self._received)
        else:
            self._protocol = Detected.BYTES  # an end is not the beginning of a request, and a server may still speak

    def _successor(self) -> DownstreamConnection:
        self._reactor.current.limit(inf)  # it has limits of its own
        accept = TcpConnection if self._protocol is None else _ACCEPTS[self._protocol]
        return accept(self._context, self._channel, self._client, self._received)

    async def _serve_beside_endpoint(self) -> DownstreamConnection | None:
        opening = Opening(self._context, self._channel, self._client, self._reactor.current)
        try:
            in_time = await self._decide(opening)
            self._reactor.current.limit(inf)
            opened, failed = await opening.stop(), opening.failed
        except BaseException:
            opening.close()
            raise
        if self._protocol is Detected.BYTES and opened is not None:
            opened = opened._replace(passed=self._received[: self._passed])
            unsent = self._received[self._passed :]
            return TcpConnection(self._context, self._channel, self._client, unsent, opened)
        if opened is not None:
            opened.response.close()
        if not in_time and not self._received:
            self._listened = True
            # That no endpoint could have said its first word is the failure of a TCP connection; it is reported so.
            return self._successor() if failed else self
        if not in_time and self._passed:
            return None
        if not in_time or self._passed:
            await self._refuse()
            return None
        return self._successor()

    async def _decide(self, opening: Opening) -> bool:
        """Wait until the protocol is known; returns False when it has taken too long."""
        reactor, channel = self._reactor, self._channel
        while self._protocol is None:
            data = channel.recv_now()
            if data is not None:
                self._add(data)
            elif opening.spoke:
                self._protocol = Detected.BYTES
            elif self._is_held(opening) and reactor.now >= self._since + DETECT_S:
                await self._pass_on(opening)
            elif not await self._pause(self._until(opening)):
                return False
        return True

    def _is_held(self, opening: Opening) -> bool:
        return opening.opened is not None and len(self._received) > self._passed

    def _until(self, opening: Opening) -> float:
        """When something has to be done though neither side speaks, monotonic seconds."""
        if self._is_held(opening):
            return self._since + DETECT_S
        if self._passed and not opening.failed:
            return self._since + self._context.idle_timeout_s
        if self._received or opening.failed:
            return self._since + self._context.head_timeout_s
        return self._since + GREETING_S

    async def _pause(self, until: float) -> bool:
        """Wait for either side until then; returns False when it has passed before."""
        task = self._reactor.current
        if self._reactor.now >= until:
            return False
        task.limit(until)
        self._channel.reader = task
        try:
            await park()
        except DeadlinePassed:
            pass
        return True

    async def _pass_on(self, opening: Opening) -> None:
        """Let the endpoint have what may be all that the client says before it wants an answer."""
        assert opening.opened is not None  # see `_is_held`
        tunnel = opening.opened.response.tunnel
        assert tunnel is not None  # see `opening.opened`
        passed_before = self._passed
        piece, self._passed = self._received[passed_before:], len(self._received)
        self._reactor.current.limit(self._reactor.now + self._context.head_timeout_s)
        try:
            await tunnel.send(piece)
        except ConnectionLost:  # the relay finds the same when it sends that again, and reports it
            self._protocol, self._passed = Detected.BYTES, passed_before

    async def _refuse(self) -> None:
        """It speaks HTTP, or may want to, and too slowly."""
        context = self._context
        within_s = DETECT_S if self._passed else context.head_timeout_s
        error = HeadTimeout(
            f"no request line within {within_s:g} s of its first byte, on a port that does not say what it speaks;"
            " where it speaks HTTP, set its appProtocol to http"
        )
        context.stats.unrouted.count(error.status, error.reason, context.caller_of(self._client).labels, 0.0)
        self._reactor.current.limit(self._reactor.now + LINGER_S)
        try:
            await self._channel.send(
                Reply(self._channel, context.via, context.help_lines).refusal(error, self._received)
            )
            await linger(self._channel)
        except ProxyError:
            pass

    def idle_since(self, deadline: float) -> float:
        """See DownstreamConnection: it is idle until its first byte."""
        return inf if self._received else self._since

    def make_way(self) -> bool:
        """See DownstreamConnection."""
        return closed_unused(self._channel, "closed by the mesh while idle")

    def drain(self) -> None:
        """See DownstreamConnection: what it turns out to be drains."""

    def hang_up(self) -> None:
        """See DownstreamConnection."""
        if not self._received:
            self.make_way()
