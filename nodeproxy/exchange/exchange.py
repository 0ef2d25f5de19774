"""What passes through a service's handlers: an exchange goes in, a response comes out.

Three types carry the data path: `Exchange`, `Response` and `Handler`. They do not know which protocol is on
either side: heads are blocks of field lines, bodies are something one pulls.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol

from nodeproxy.mesh.callers import UNKNOWN
from nodeproxy.protocol.http1.head import RequestHead
from nodeproxy.telemetry.stats import RouteStats


class Body(Protocol):
    """A message body that is pulled piece by piece. A reader that does not pull stops its sender."""

    length: int
    """Its size in bytes where the sender said it, CHUNKED or UNTIL_CLOSE (see `protocol.head`) where not."""

    streamed: bool
    """Whether some of it may still be on its way; false for a body that is all here, and for none."""

    trailers: bytes
    """Field lines that came after it; known once `read` has given b""."""

    async def read(self) -> bytes:
        """The next piece, b"" at the end.

        Raises:
            ProxyError: the sender broke off, or what it sent is not a body.
        """
        ...

    def rewind(self) -> bool:
        """Make the next `read` start from the first byte again; false when bytes have gone that nobody kept."""
        ...


class Lane(Protocol):
    """What an exchange may ask of the task that carries it."""

    deadline: float

    def limit(self, deadline: float) -> None:
        """Let waits end with `DeadlinePassed` at `deadline`, monotonic seconds; replaces the one before."""
        ...


class Carrier(Protocol):
    """An endpoint, as far as an exchange knows it."""

    active: int
    name: str


class Response:
    """An endpoint's answer, or the mesh's own, on its way to the client.

    `head` is the status line and all field lines to send on, without the empty line that ends them. `first` are
    the bytes of the body that came with the head; `rest` pulls the others and is None when there are none.
    """

    __slots__ = ("endpoint", "first", "head", "length", "reason", "rest", "status")

    def __init__(
        self, status: int, head: bytes, length: int, first: bytes = b"", rest: "StreamedBody | None" = None
    ) -> None:
        self.status = status
        self.head = head
        self.length = length
        self.first = first
        self.rest = rest
        self.endpoint: Carrier | None = None
        self.reason = ""

    def close(self) -> None:
        """The exchange is over, or this answer is not wanted: what it still holds is given back. Idempotent."""
        if self.rest is not None:
            self.rest.abandon()
        if self.endpoint is not None:
            self.endpoint.active -= 1
            self.endpoint = None


class StreamedBody(Body, Protocol):
    """A body that holds a connection until its end has been read."""

    def abandon(self) -> None:
        """Give up what has not been read; closes the connection unless the end had been reached."""
        ...


class Exchange:
    """One request on its way: what was asked, by whom, until when, and what has been tried."""

    __slots__ = (
        "allowance_s",
        "answered",
        "body",
        "caller",
        "client",
        "deliveries",
        "deliveries_most",
        "endpoint_name",
        "head",
        "idle_s",
        "interim",
        "lane",
        "onward",
        "started",
        "tried",
        "tries",
        "until",
    )

    def __init__(self, head: RequestHead, body: Body, client: str, lane: Lane, started: float) -> None:
        self.head = head
        self.body = body
        self.client = client
        """The client's address, taken from its socket and from nothing else."""
        self.caller = UNKNOWN
        """The pod of this node that has this address."""
        self.lane = lane
        self.started = started
        """When its head was complete, monotonic seconds."""
        self.onward = b""
        """The field lines the mesh adds to the request, and the empty line that ends its head."""
        self.interim: Callable[[bytes], Awaitable[None]] | None = None
        """Takes a 1xx head to the client; None when the client's protocol has none."""
        self.until = inf
        """When it must be over, monotonic seconds."""
        self.idle_s = inf
        """How long no byte of it may move."""
        self.allowance_s = inf
        """How long it may take once a streamed request body has been sent: from then on there is an `until`."""
        self.tries = 0
        """How often it was sent, or tried to be sent, to an endpoint."""
        self.deliveries = 0
        """How often its bytes were sent to an endpoint, or may have been."""
        self.deliveries_most = 2
        """How often they may be. By default once more, where the endpoint has closed an idle connection meanwhile."""
        self.answered = False
        """Whether it failed after the first byte of a response: then it is not sent again."""
        self.endpoint_name = ""
        """The endpoint it was last sent to, for logs."""
        self.tried: list[Carrier] | None = None
        """Endpoints that failed it, not to be chosen again while others are left."""

    def may_be_delivered_again(self) -> bool:
        """Whether the request may be sent once more. To be asked last: its body starts over."""
        return not self.answered and self.deliveries < self.deliveries_most and self.body.rewind()

    def moved(self, now: float) -> None:
        """A byte of it has moved, in either direction: silence is counted from here."""
        self.lane.limit(min(self.until, now + self.idle_s))


Handler = Callable[[Exchange], Awaitable[Response]]
"""Takes an exchange to its response. Raises ProxyError where there is none."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The world as policies may see it, handed in so that tests can hand in another."""

    now: Callable[[], float]
    random: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    stats: RouteStats
