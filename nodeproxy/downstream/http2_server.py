"""Serves the streams of an HTTP/2 client: a request and its response, in a task that is used again for the next.

A task costs 3 us to make, to give a deadline and to end; waiting for the next stream costs a tenth of that.
"""

from math import inf

from nodeproxy.downstream.calls import begin_call, failed_response
from nodeproxy.downstream.closing import LINGER_S
from nodeproxy.downstream.context import ConnectionContext
from nodeproxy.downstream.http2_reply import Reply
from nodeproxy.downstream.tunnel import relay
from nodeproxy.errors import ClientGone, ProxyError
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.calls import park
from nodeproxy.io.scope import Scope
from nodeproxy.io.task import Task
from nodeproxy.multiplex.body import body_of
from nodeproxy.multiplex.stream import Stream
from nodeproxy.protocol.forwarded import forwarded
from nodeproxy.protocol.http2 import codes
from nodeproxy.protocol.message import Request, Response
from nodeproxy.protocol.websocket import check_declined
from nodeproxy.telemetry.stats import HTTP2

FREE_MOST = 32  # servers of a connection that wait for a stream: as many as usual clients have at a time


class StreamServer:
    """Serves one stream after another; `free` are those of its connection that wait for one."""

    __slots__ = ("_client", "_context", "_free", "_next", "_reply", "_scope", "_stream", "_task")

    def __init__(
        self, context: ConnectionContext, client: str, reply: Reply, free: "list[StreamServer]", parent: Task
    ) -> None:
        """Its task is a child of `parent`, and begins with the stream of the first `begin`."""
        self._context = context
        self._client = client
        self._reply = reply
        self._free = free
        self._next: tuple[Stream, Request, bytes] | None = None
        self._stream: Stream
        self._task = parent.start(self._run())
        self._scope = Scope(self._task)

    def begin(self, stream: Stream, request: Request, said: bytes) -> None:
        """Serve `request` on `stream` from the next turn on; `said` as in `frames.Frame`. It must be free."""
        self._next = stream, request, said
        self._context.reactor.wake(self._task)

    async def _run(self) -> None:
        task, free = self._task, self._free
        while True:
            while self._next is None:
                await park()
            stream, request, said = self._next
            self._next = None
            self._stream = stream
            stream.task = task
            await self._exchange(stream, request, said)
            stream.task = None
            task.deadline = inf
            if task.has_children:
                await task.cancel_children()
            if len(free) >= FREE_MOST:
                return
            del stream, request, said  # while it waits it holds nothing of them
            free.append(self)

    async def interim(self, response: Response) -> None:
        """Send a 1xx response on its stream."""
        self._reply.interim(self._stream, response)

    async def _exchange(self, stream: Stream, request: Request, said: bytes) -> None:
        context, scope, client = self._context, self._scope, self._client
        scope.reset()
        exchange = Exchange(request, body_of(stream, request), client, scope, context.reactor.clock())
        if request.method == b"POST":
            begin_call(exchange)
        exchange.observer = context.observer
        callers = context.callers
        exchange.caller = caller = callers.known.get(client) or callers.stranger(client)
        trusted = forwarded(said) if context.trusts_forwarded and caller.trusted else None
        exchange.added = context.adder(request, client, trusted)
        if context.recorder.begin is not None:
            context.recorder.begin(exchange, context.match)
        exchange.interim = self.interim
        route, response = None, None
        failure: ProxyError | None = None
        try:
            try:
                if stream.error is not None:
                    raise stream.failure()
                route = context.match(request, caller.namespace)
                response = await route.handler(exchange)
                if request.upgrade:
                    if response.tunnel is not None:
                        await relay(exchange, route, response, self._reply.switch(stream, response), b"")
                        stream.release()  # RFC 8441, 5: an end that is not orderly is CANCEL
                        return
                    check_declined(response)
                sending = self._reply(stream, exchange, response)
                if sending is not None:
                    await sending
                status, reason = response.status, response.reason
            except ProxyError as error:
                failure = error
            if failure is not None:
                status, reason = failure.status, failure.reason
                if response is not None and response.attempt is not None:
                    response.attempt.end(reason)  # its head was fine, and its body has not arrived
                await self._report(stream, exchange, failure)
        finally:
            failure = None  # an error that this frame held would hold the frame
            if response is not None:
                response.close()
            # RFC 9113, 8.1: a complete response before the request's end is no error
            stream.release(codes.NO_ERROR if stream.over else codes.CANCEL)
        context.count(exchange, route, status, reason, HTTP2)

    async def _report(self, stream: Stream, exchange: Exchange, error: ProxyError) -> None:
        """Answer with the mesh's own response, if that is still possible."""
        if stream.closed or isinstance(error, ClientGone):
            return
        if stream.begun:
            self._reply.break_off(stream, exchange, error)
            return
        self._task.limit(self._context.reactor.now + LINGER_S)
        try:
            sending = self._reply(stream, exchange, failed_response(exchange, error))
            if sending is not None:
                await sending
        except ProxyError:
            pass
