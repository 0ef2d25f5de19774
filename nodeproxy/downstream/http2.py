"""HTTP/2 with clients: one connection, on which every stream is an exchange of its own.

The connection's task reads frames; each request has a task that is a child of it, with its own limits.
Source: RFC 9113; prior knowledge (3.3) only: an `Upgrade: h2c` is answered in HTTP/1.1, as 3.1 leaves it.
"""

from collections.abc import Coroutine
from math import inf
from typing import Any, ClassVar

from nodeproxy.downstream.closing import LINGER_S, linger
from nodeproxy.downstream.connection import DownstreamConnection
from nodeproxy.downstream.context import ConnectionContext
from nodeproxy.downstream.http2_drain import DRAIN_S, Drain
from nodeproxy.downstream.http2_preface import behind_preface
from nodeproxy.downstream.http2_reply import Reply
from nodeproxy.downstream.http2_server import StreamServer
from nodeproxy.errors import BadRequest, ClientGone, DeadlinePassed, ProxyError
from nodeproxy.io.calls import park
from nodeproxy.io.channel import SocketChannel
from nodeproxy.mesh.callers import UNKNOWN
from nodeproxy.multiplex.body import expect
from nodeproxy.multiplex.link import Link
from nodeproxy.multiplex.stream import Stream
from nodeproxy.protocol.http2 import codes
from nodeproxy.protocol.http2.errors import ConnectionBroken, MalformedRequest, StreamError
from nodeproxy.protocol.http2.frames import Frame, Trailers
from nodeproxy.protocol.http2.reader import FrameReader
from nodeproxy.protocol.message import Request
from nodeproxy.protocol.websocket import KEY_BYTES, add_key
from nodeproxy.telemetry.stats import HTTP2


class _Over(ClientGone):
    """The mesh has drained the connection, and its last stream has ended."""


class Http2Connection:
    """One client on one channel; see `connection.DownstreamConnection`."""

    serves: ClassVar[bool] = True
    makes_way = True

    def __init__(self, context: ConnectionContext, channel: SocketChannel, client: str, received: bytes) -> None:
        self.context = context
        self.idle_since_seen = -inf
        self._reactor = context.reactor
        self._channel = channel
        self._client = client
        self._received = received
        self._last = 0  # the highest stream that the client has opened
        self._leaving = False  # whether it waits for its exchanges to have ended
        self._free: list[StreamServer] = []
        self._begun = False  # whether our SETTINGS have been sent, before which nothing may be
        self._parting = False  # whether it only waits for the client to have received what was sent
        self._task = self._reactor.current
        reader = FrameReader("requests", context.limits)
        self._link = Link(channel, reader, context.http2, self, client)
        self._drain = Drain(self._link)
        self._reply = Reply(self._link, context.via, context.help_lines)

    @property
    def _served(self) -> int:
        """The last stream that was not ignored. RFC 9113, 6.8: what GOAWAY says must not rise."""
        return min(self._last, self._drain.last_accepted)

    @property
    def idle(self) -> bool:
        """Whether no request is under way."""
        return not self._link.streams

    def idle_since(self, deadline: float) -> float:
        """See DownstreamConnection."""
        return deadline - self.context.idle_timeout_s if self.idle else inf

    def make_way(self) -> bool:
        """See DownstreamConnection."""
        if not self.idle or self._channel.closed or self._channel.has_input():
            return False
        self._hang_up()
        return True

    def drain(self) -> None:
        """See DownstreamConnection. Streams that the client opens before it has heard of it are served."""
        if not self._drain.wanted:
            self._drain.wanted = True
            if self._begun:
                self._announce_drain()

    def _announce_drain(self) -> None:
        self._drain.announce()
        self._reactor.call_at(self._reactor.clock() + DRAIN_S, self._accept_no_more)

    def hang_up(self) -> None:
        """See DownstreamConnection."""
        if self.idle and not self._channel.closed and not self._channel.has_input():
            self._hang_up()

    def _hang_up(self) -> None:
        self._link.going_away(self._served)
        self._link.outbox.flush()
        self._channel.close()
        self._task.interrupt(ClientGone("closed by the mesh while idle"))

    async def serve(self) -> DownstreamConnection | None:
        """See DownstreamConnection."""
        link, context, task = self._link, self.context, self._task
        link.begin([(codes.MAX_CONCURRENT_STREAMS, context.http2.streams),
                    (codes.MAX_HEADER_LIST_SIZE, context.limits.head_bytes),
                    (codes.ENABLE_CONNECT_PROTOCOL, 1)])  # fmt: skip
        self._begun = True
        context.stats.http2_accepted += 1
        if self._drain.wanted:
            self._announce_drain()
        ending: Coroutine[Any, Any, None] | None = None
        over = False
        try:
            task.limit(self._reactor.now + context.head_timeout_s)
            received, self._received = self._received, b""
            received = await behind_preface(self._channel, received)
            self._note_idle()
            await link.run(received)
            gone = ClientGone("the client closed its connection")
        except ConnectionBroken as violation:
            gone = ClientGone(f"the client violated HTTP/2: {violation}")
            ending = self._end(violation)
        except (DeadlinePassed, _Over):
            over = True
        except ProxyError as error:
            gone = ClientGone(str(error))
        if over:
            await self._part(codes.NO_ERROR, "")
            self._let_go()
            return None
        if ending is not None:
            self._end_streams(gone)
            await ending
        await self._give_up(gone)
        self._let_go()
        return None

    async def _end(self, error: ConnectionBroken) -> None:
        """Let the client know why its connection ends."""
        stats = self.context.stats
        stats.unrouted.count(BadRequest.status, BadRequest.reason, UNKNOWN.labels, 0.0, HTTP2)
        if error.code == codes.ENHANCE_YOUR_CALM:
            stats.http2_floods += 1
        await self._part(error.code, str(error))

    async def _part(self, code: int, why: str) -> None:
        """End the connection so that all that was sent is received."""
        self._parting = True
        if code or not self._drain.effective:  # else the client has been told
            self._link.going_away(self._served, code, why)
        self._reactor.current.limit(self._reactor.now + LINGER_S)
        try:
            await self._link.outbox.emptied()
            await linger(self._channel)
        except ProxyError:
            pass

    async def _give_up(self, gone: ClientGone) -> None:
        """The client is gone: end the exchanges that are under way, and wait until they are counted."""
        self._link.outbox.flush()
        self._channel.close()
        self._end_streams(gone)
        self._leaving = True
        while self._link.streams:
            await park()

    def _let_go(self) -> None:
        """Hold nothing that holds this."""
        self._free.clear()
        self._link.let_go()

    def _server(self) -> StreamServer:
        return StreamServer(self.context, self._client, self._reply, self._free, self._task)

    # See `side.Side`.

    def headers(self, frame: Frame) -> None:
        """See `side.Side`."""
        number, payload, link = frame.stream, frame.payload, self._link
        if number <= self._last:
            self._further_headers(frame)
            return
        if not number & 1:
            raise ConnectionBroken(codes.PROTOCOL_ERROR, "a client's streams have odd numbers")
        self._last = number
        if number > self._drain.last_accepted:
            return  # the client was told so; it may send it elsewhere
        if len(link.streams) >= self.context.http2.streams:
            self.context.stats.http2_refused += 1
            link.refuse(number, codes.REFUSED_STREAM)
            return
        if isinstance(payload, Request):
            if not link.streams:
                self._task.deadline = inf
            stream = link.open(number)
            if frame.flags & codes.END_STREAM:
                stream.ended = True
            elif payload.upgrade:
                add_key(payload, self.context.random_bytes(KEY_BYTES))
            else:
                expect(stream, payload.length)
            free = self._free
            server = free.pop() if free else self._server()
            server.begin(stream, payload, frame.said)
        elif isinstance(payload, MalformedRequest):
            self.context.count_refused(payload, self._client, HTTP2)
            link.refuse(number, payload.code)
        elif isinstance(payload, BadRequest):
            self._refuse(number, payload, bool(frame.flags & codes.END_STREAM))
        else:
            link.refuse(number, codes.PROTOCOL_ERROR)  # fields without a request line

    def _further_headers(self, frame: Frame) -> None:
        """HEADERS of a stream that the client has opened before: its trailers, or an error."""
        link, number = self._link, frame.stream
        stream = link.streams.get(number)
        if stream is None and self.ignores(number):
            return
        if stream is None or stream.closed:
            ended_here = link.was_reset_lately(number) if stream is None else not stream.reset_by_peer
            if not ended_here:
                raise ConnectionBroken(codes.STREAM_CLOSED, f"HEADERS on stream {number}, which has ended")
            return
        try:
            if stream.ended:
                raise StreamError(codes.STREAM_CLOSED, "HEADERS after the end of the stream")
            if not isinstance(frame.payload, Trailers) or not frame.flags & codes.END_STREAM:
                raise StreamError(codes.PROTOCOL_ERROR, "HEADERS within a body that are no trailers")
            stream.received_trailers(frame.payload)
        except StreamError as error:
            link.fault(stream, error)

    def was_reset(self, stream: Stream, code: int) -> None:
        """See `side.Side`."""
        self._end_stream(stream, ClientGone(f"the client's stream was reset, error {code}"))
        self._link.count_reset(self._reactor.now - stream.began)

    def violated(self, stream: Stream, error: StreamError) -> None:
        """See `side.Side`."""
        self._end_stream(stream, ClientGone(f"the client violated HTTP/2: {error}"))

    def ignores(self, number: int) -> bool:
        """See `side.Side`."""
        return number > self._drain.last_accepted

    def going_away(self, last_stream: int, code: int, text: bytes) -> None:
        """See `side.Side`: the client opens no more streams than it has."""

    def never_opened(self, number: int) -> bool:
        """See `side.Side`."""
        return number > self._last or not number & 1

    def stream_over(self, stream: Stream) -> None:
        """See `side.Side`."""
        if not self._link.streams:
            self._note_idle()

    def answered(self, opaque: bytes) -> None:
        """See `side.Side`."""
        if self._drain.heard(opaque):
            self._accept_no_more()

    def _end_streams(self, gone: ClientGone) -> None:
        for stream in tuple(self._link.streams.values()):
            self._end_stream(stream, gone)

    def _end_stream(self, stream: Stream, gone: ClientGone) -> None:
        if stream.over and stream.ended:
            return  # a tunnel that both have ended: what the client said last is still on its way
        stream.fail(gone)
        if stream.task is not None:
            stream.task.interrupt(stream.failure())

    def settings_changed(self) -> None:
        """See `side.Side`."""

    def _accept_no_more(self) -> None:
        """The client has heard of the drain: streams it opens from now on are not served."""
        if not self._drain.effective and not self._channel.closed:
            self._drain.take_effect(self._last)
            if self.idle:
                self._note_idle()

    def _note_idle(self) -> None:
        if self._leaving:
            self._reactor.wake(self._task)
            return
        if self._parting:
            return  # that has its own limit
        if self._drain.effective:
            self._task.interrupt(_Over("drained"))
        else:
            self._task.limit(self._reactor.now + self.context.idle_timeout_s)

    def _refuse(self, number: int, error: BadRequest, ended: bool) -> None:
        """A request that the mesh understands and does not forward."""
        self.context.count_refused(error, self._client, HTTP2)
        stream = self._link.open(number)
        stream.ended = ended
        self._reply.refuse(stream, error)
        stream.release(codes.NO_ERROR if stream.over else codes.CANCEL)
