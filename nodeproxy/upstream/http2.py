"""HTTP/2 to endpoints: many requests at a time on one connection, each on a stream of its own.

A task of the connection reads its frames; the task of each request waits for what comes on its stream.
"""

from math import inf
from typing import ClassVar

from nodeproxy.errors import (
    BadResponse,
    BodyTimeout,
    ConnectFailed,
    ConnectionLost,
    DeadlinePassed,
    EndpointLeft,
    ProxyError,
    StreamReset,
    Unprocessed,
)
from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.body import WholeBody
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.event import Event
from nodeproxy.multiplex.body import StreamBody
from nodeproxy.multiplex.link import Link
from nodeproxy.multiplex.stream import Stream
from nodeproxy.protocol.grpc import was_dropped
from nodeproxy.protocol.http2 import codes
from nodeproxy.protocol.http2.errors import ConnectionBroken, StreamError
from nodeproxy.protocol.http2.frames import Frame, Trailers, rst_stream
from nodeproxy.protocol.http2.reader import FrameReader
from nodeproxy.protocol.http2.scan import request_headers
from nodeproxy.protocol.message import Response
from nodeproxy.upstream.context import UpstreamContext
from nodeproxy.upstream.dropped_calls import DroppedCalls
from nodeproxy.upstream.http2_owner import Owner
from nodeproxy.upstream.http2_response import check_head, final_head, put_head, whole_response
from nodeproxy.upstream.http2_tunnel import answered, connect, key_to_connect
from nodeproxy.upstream.http2_upload import StreamSink, UploadingBody
from nodeproxy.upstream.upload import Upload

LAST_STREAM = 2**31 - 1
# How long a call may go on at an endpoint that has left its service: twice the time that Kubernetes gives a pod to end,
# so calls of a pod that ends are over. One that lives on, and is not ready, would keep its streams for ever.
LEFT_CALLS_S = 60.0


class Http2Connection:
    """One connection to an endpoint; see `pool.UpstreamConnection`."""

    serves: ClassVar[bool] = False
    __slots__ = (
        "_calls", "_channel", "_context", "_dropped", "_greeted", "_link", "_next", "_owner", "_reading", "_why",
        "expires_at", "going", "listed", "open", "requests",
    )  # fmt: skip

    def __init__(self, channel: SocketChannel, owner: Owner, context: UpstreamContext) -> None:
        self.open = True
        self.going = False
        """Whether it takes no new request: the endpoint says so, or leaves, or the stream numbers are used up."""
        self.requests = 0
        """How many were sent on it."""
        self.listed = False
        """Whether its pool has it among those with room."""
        self.expires_at = inf
        """Until when it may be used again, monotonic seconds; set when it becomes idle."""
        self._channel = channel
        self._owner = owner
        self._context = context
        self._next = 1
        self._calls: set[Stream] = set()  # those of gRPC
        self._dropped = DroppedCalls(context.reactor)
        self._link = Link(channel, FrameReader("responses", context.head_limits), context.http2, self)
        self._link.begin([(codes.ENABLE_PUSH, 0), (codes.MAX_HEADER_LIST_SIZE, context.head_limits.head_bytes)],
                         codes.PREFACE)  # fmt: skip
        channel.probe_when_silent()
        self._greeted = Event(context.reactor)  # by its SETTINGS, or it has ended before them
        self._why = ""  # it has ended
        self._reading = context.reactor.spawn(self._read())

    @property
    def active(self) -> int:
        """The number of requests under way."""
        return len(self._link.streams)

    @property
    def has_room(self) -> bool:
        """Whether it can carry one more request now."""
        link = self._link
        return self.open and not self.going and len(link.streams) < link.peer_streams

    async def greeting(self) -> None:
        """Wait until the endpoint has said how many streams it allows. Source: RFC 9113, 3.4.

        A request sent before could be one too many, or go to a server that does not speak HTTP/2.

        Raises:
            ConnectFailed: it has closed the connection instead, or sent something else.
        """
        try:
            await self._greeted.wait()
        except BaseException:
            self.close()
            raise
        if not self.has_room:
            self.close()
            raise ConnectFailed(self._why or "the endpoint allows no stream")

    async def send(self, attempt: Attempt) -> Response:
        """See `pool.UpstreamConnection`.

        Raises:
            Unprocessed: the endpoint has not looked at it.
        """
        exchange, link = attempt.exchange, self._link
        stream, added = link.open(self._next), exchange.added
        if exchange.call is not None:
            self._calls.add(stream)
            added += exchange.call.lines(self._context.reactor.now)
        self._next += 2
        self.expires_at = inf
        if self._next > LAST_STREAM:
            self.going = True
        exchange.deliveries += 1
        self.requests += 1
        if self._owner.used_up(self.requests):
            self.going = True
        upload = None
        try:
            body, request = exchange.body, exchange.request
            if request.upgrade and (key := key_to_connect(link, stream, request)):
                connect(link, stream, request, added)
                return answered(stream, await final_head(stream, attempt, self._context.reactor), key)
            stream.bodiless = request.method == b"HEAD"
            stream.awaits_head = True
            whole = body.take() if type(body) is WholeBody and not body.trailers else None
            ended = whole == b""
            stream.head(request_headers(request, added, stream.number, ended, link.prefix), ended)
            link.prefix = b""
            if not ended and (whole is None or not stream.try_write(whole, True)):
                if whole is not None:
                    body.rewind()
                upload = Upload(exchange, StreamSink(stream))
            response = await final_head(stream, attempt, self._context.reactor)
            if stream.ended and not stream.trailers:
                return whole_response(stream, response, upload)
        except BaseException as error:
            exchange.answered = attempt.first_byte is not None
            if isinstance(error, Unprocessed):
                exchange.deliveries -= 1
            stream.release()
            if upload is not None:
                upload.stop()
                if isinstance(error, DeadlinePassed) and upload.awaits_client:
                    raise BodyTimeout("nothing more comes of the request's body") from error
            raise
        length = 0 if stream.bodiless or response.status in (204, 304) else response.length
        response.length = length
        response.body = UploadingBody(stream, length, upload) if upload else StreamBody(stream, length)
        return response

    def drain(self) -> None:
        """Take no new request, and close after the last one. gRPC calls have LEFT_CALLS_S: their clients call again."""
        self.going = True
        self._dropped.endpoint_ends()
        if not self._link.streams:
            self.close()
            return
        self._context.reactor.call_at(self._context.reactor.clock() + LEFT_CALLS_S, self._end_calls)

    def _end_calls(self) -> None:
        for stream in tuple(self._calls):
            if not stream.closed:
                self._link.outbox.put(rst_stream(stream.number, codes.CANCEL))
                stream.fail(EndpointLeft(f"the endpoint left its service {LEFT_CALLS_S:g} s ago; call again"))

    def close(self) -> None:
        """See `pool.UpstreamConnection`."""
        self._end(ConnectionLost("closed by the mesh"))

    def _end(self, error: ProxyError) -> None:
        if self.open:
            self.open = False
            if not self._channel.closed:
                self._link.going_away(0)
                self._link.outbox.flush()
            self._channel.close()
            self._reading.cancel()
            self._dropped.endpoint_ends()
            self._link.fail_all(error)
            self._why = str(error)
            self._greeted.set()
            self._owner.closed(self)

    async def _read(self) -> None:
        """The connection's task."""
        error: ProxyError = ConnectionLost("the endpoint closed the connection")
        try:
            await self._link.run()
        except ConnectionBroken as broken:
            self._link.going_away(0, broken.code, str(broken))
            spoken = (
                "it violates HTTP/2" if self._greeted.happened else "not HTTP/2, as the port's appProtocol or name says"
            )
            error = BadResponse(f"{spoken}: {broken}")
        except ProxyError as lost:
            error = lost
        except BaseException:
            self._end(error)
            raise
        self._end(error)

    # See `side.Side`.

    def headers(self, frame: Frame) -> None:
        """See `side.Side`."""
        link, payload = self._link, frame.payload
        stream = link.streams.get(frame.stream)
        if stream is None or stream.closed:
            if self.never_opened(frame.stream):
                raise ConnectionBroken(
                    codes.PROTOCOL_ERROR, f"HEADERS on stream {frame.stream}, which was never opened"
                )
            return
        try:
            if stream.ended:
                raise StreamError(codes.STREAM_CLOSED, "HEADERS after the end of the stream")
            ended = bool(frame.flags & codes.END_STREAM)
            if isinstance(payload, Response):
                self._take_head(stream, payload, ended)
            elif isinstance(payload, Trailers) and ended and not stream.awaits_head:
                stream.received_trailers(payload)
            elif isinstance(payload, ProxyError):
                stream.error = payload
                raise StreamError(codes.PROTOCOL_ERROR, str(payload))
            else:
                raise StreamError(codes.PROTOCOL_ERROR, "HEADERS that are neither a response nor its trailers")
        except StreamError as error:
            link.fault(stream, error)

    def _take_head(self, stream: Stream, response: Response, ended: bool) -> None:
        check_head(stream, response, ended)
        if ended and stream in self._calls and was_dropped(response):
            stream.end()
            self._dropped.hold(stream, response)
        else:
            put_head(stream, response, ended)

    def was_reset(self, stream: Stream, code: int) -> None:
        """See `side.Side`."""
        if code == codes.NO_ERROR and stream.ended:
            return  # RFC 9113, 8.1: it has answered and needs no more of the request
        if code == codes.REFUSED_STREAM and stream.awaits_head:
            stream.fail(Unprocessed("the endpoint refuses one more stream"))
        else:
            stream.fail(StreamReset(f"the endpoint has reset the stream, error {code}", code))

    def violated(self, stream: Stream, error: StreamError) -> None:
        """See `side.Side`."""
        stream.fail(BadResponse(str(error)))

    def ignores(self, number: int) -> bool:
        """See `side.Side`."""
        return False

    def going_away(self, last_stream: int, code: int, text: bytes) -> None:
        """See `side.Side`."""
        self.going = True
        self._dropped.endpoint_ends()
        why = f"the endpoint is going away, error {code} {text[:80].decode('latin-1')!a}"
        for number, stream in tuple(self._link.streams.items()):
            if number > last_stream:
                stream.fail(Unprocessed(why) if stream.awaits_head else StreamReset(why))
        if not self._link.streams:
            self.close()

    def never_opened(self, number: int) -> bool:
        """See `side.Side`."""
        return number >= self._next or not number & 1

    def stream_over(self, stream: Stream) -> None:
        """See `side.Side`."""
        if self._calls:
            self._calls.discard(stream)
        self._owner.stream_over(self)
        if self.going and not self._link.streams:
            self.close()

    def answered(self, opaque: bytes) -> None:
        """See `side.Side`."""

    def settings_changed(self) -> None:
        """See `side.Side`."""
        self._greeted.set()
        self._owner.room_changed(self)
