"""The handler of `mirrors`: copies of requests go to other services, in tasks that no exchange waits for."""

import re
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from nodeproxy.balance.share import Share
from nodeproxy.errors import DeadlinePassed, ProxyError
from nodeproxy.exchange.body import WholeBody
from nodeproxy.exchange.call import Call
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Exchange, Handler
from nodeproxy.io.background import Background
from nodeproxy.io.event import Event
from nodeproxy.io.scope import Scope
from nodeproxy.mesh.callers import Known
from nodeproxy.policies.tee import BodyCopy, Tee
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Request, Response

MARK = b"x-mesh-mirror: 1\r\n"
# A response is read for the sake of its connection, which a flood would not be worth: a copy that costs more than its
# original would slow down originals.
RESPONSE_BYTES = 64 * 1024
PAUSE_S = 0.002  # between two pieces of a response: what originals need comes first

_MARKED = re.compile(rb"(?:\A|\n)x-mesh-mirror:", re.IGNORECASE)


class UnderWay:
    """Counts the copies of a service port that have not ended; shared by the states before and after an update."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Mirrors(NamedTuple):
    """The state of `mirrors` for one service port."""

    shares: Sequence[Share]
    """One for each mirror, in the order of the settings."""
    most: int
    """Copies under way at once."""
    body_bytes: int
    """The largest body that is copied."""
    timeout_s: float
    """From the request's head to the end of the copy's response."""
    under_way: UnderWay


class Original(NamedTuple):
    """What a copy takes from the exchange, to which it does not refer."""

    request: Request
    """One of its own: its way may change the fields."""
    client: str
    caller: Known
    added: bytes
    deadline: float | None
    """Of a gRPC call, monotonic seconds; None for every other request."""


@dataclass(frozen=True, slots=True)
class Mirroring:
    """Starts copies and passes the exchange on, without a wait and without a frame around it.

    A copy has its one outcome when it ends. The original's deadline, retries and client are not its own.
    """

    mirrors: Mirrors
    handlers: Sequence[Handler]
    """Where each copy goes, in the order of the shares."""
    inner: Handler
    background: Background
    decisions: Decisions

    def __call__(self, exchange: Exchange) -> Awaitable[Response]:
        """See Handler."""
        request = exchange.request
        # A tunnel has no response that could be dropped; a copy that comes back to a node is not copied again.
        if not request.upgrade and _MARKED.search(request.fields.block()) is None:
            due = [handler for handler, share in zip(self.handlers, self.mirrors.shares, strict=True) if share.due()]
            if due:
                self._copy(exchange, due)
        return self.inner(exchange)

    def _copy(self, exchange: Exchange, due: Sequence[Handler]) -> None:
        mirrors, background, body = self.mirrors, self.background, exchange.body
        if max(exchange.request.length, body.length) > mirrors.body_bytes:
            self._count("body-too-large", len(due), exchange)
            return
        room = min(len(due), mirrors.most - mirrors.under_way.count)
        if self.decisions.shadow:
            self._count("sent", len(due), exchange)
            return
        if room <= 0 or not background.has_room():
            self._count("full", len(due), exchange)
            return
        source: WholeBody | BodyCopy
        if isinstance(body, WholeBody):
            source = body
        else:
            source = BodyCopy(mirrors.body_bytes, Event(background.reactor))
            exchange.body = Tee(body, source)
        started = 0
        for handler in due[:room]:
            if not background.has_room():
                break
            started += 1
            mirrors.under_way.count += 1
            background.start(partial(self._send, handler, _original(exchange), source))
        self._count("full", len(due) - started, exchange)

    def _count(self, outcome: str, times: int, exchange: Exchange) -> None:
        for _ in range(times):
            self.decisions.count(outcome, exchange)

    async def _send(self, handler: Handler, original: Original, source: WholeBody | BodyCopy) -> None:
        """Send one copy, and read and drop its response."""
        reactor, outcome = self.background.reactor, "failed"
        scope = Scope(reactor.current)
        scope.until = reactor.now + self.mirrors.timeout_s
        scope.moved(reactor.now)
        try:
            body = source.copy() if isinstance(source, WholeBody) else await source.whole()
            if body is None:
                assert isinstance(source, BodyCopy)
                outcome = source.lost
            else:
                outcome = await self._drop(await handler(_exchange(original, body, scope, reactor.now)))
        except ProxyError:
            outcome = "failed"
        finally:
            self.mirrors.under_way.count -= 1
            self.decisions.count(outcome)

    async def _drop(self, response: Response) -> str:
        """Read `response` to its end; returns the outcome of its copy."""
        body, reactor = response.body, self.background.reactor
        size = len(response.first)
        try:
            while body is not None and (piece := await body.read()):
                size += len(piece)
                if size > RESPONSE_BYTES:
                    return "cut-off"
                await reactor.sleep(PAUSE_S)
        except DeadlinePassed:  # its own: a slow response is no failure of the endpoint
            raise
        except ProxyError as error:
            if response.attempt is not None:
                response.attempt.end(error.reason)
            raise
        finally:
            response.close()
        return "sent"


def _original(exchange: Exchange) -> Original:
    asked, call = exchange.request, exchange.call
    fields = Fields(asked.fields.block() + MARK)
    request = Request(asked.method, asked.authority, asked.path, fields, asked.length)
    request.scheme = asked.scheme
    request.version = asked.version
    request.takes_trailers = asked.takes_trailers
    request.traced = asked.traced
    added = exchange.added if exchange.recording is None else exchange.recording.added_to_copies()
    return Original(request, exchange.client, exchange.caller, added, None if call is None else call.deadline)


def _exchange(original: Original, body: WholeBody, scope: Scope, now: float) -> Exchange:
    exchange = Exchange(original.request, body, original.client, scope, now)
    exchange.caller = original.caller
    exchange.added = original.added
    if original.deadline is not None:
        exchange.call = Call(original.deadline)
    return exchange
