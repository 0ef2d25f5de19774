"""What passes through a service's handlers: an exchange goes in, a response comes out.

`Exchange` and `Handler` are the same whatever protocol is on either side.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol

from nodeproxy.mesh.callers import UNKNOWN
from nodeproxy.protocol.message import Body, Carrier, Request, Response
from nodeproxy.telemetry.stats import RouteStats


class Lane(Protocol):
    """What an exchange may ask of the task that carries it."""

    deadline: float

    def limit(self, deadline: float) -> None:
        """Let waits end with `DeadlinePassed` at `deadline`, monotonic seconds; replaces the one before."""
        ...


class Exchange:
    """One request on its way: what was asked, by whom, until when, and what has been tried."""

    __slots__ = (
        "added",
        "allowance_s",
        "answered",
        "body",
        "caller",
        "client",
        "deliveries",
        "deliveries_most",
        "endpoint_name",
        "idle_s",
        "interim",
        "lane",
        "request",
        "started",
        "tried",
        "tries",
        "until",
    )

    def __init__(self, request: Request, body: Body, client: str, lane: Lane, started: float) -> None:
        self.request = request
        self.body = body
        self.client = client
        """The client's address, taken from its socket and from nothing else."""
        self.caller = UNKNOWN
        """The pod of this node that has this address."""
        self.lane = lane
        self.started = started
        """When its head was complete, monotonic seconds."""
        self.added = b""
        """The field lines that the mesh adds to the request."""
        self.interim: Callable[[Response], Awaitable[None]] | None = None
        """Sends a 1xx response to the client; None when the client's protocol has none."""
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
