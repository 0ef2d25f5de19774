"""The interface of a service's handlers: a handler takes an exchange and returns a response.

`Exchange` and `Handler` are independent of the protocols of client and endpoint.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from time import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from nodeproxy.errors import NoEndpoints
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.io.scope import Scope
from nodeproxy.mesh.callers import UNKNOWN
from nodeproxy.protocol.message import Body, Request, Response
from nodeproxy.telemetry.stats import RouteStats

if TYPE_CHECKING:
    from nodeproxy.exchange.attempt import Attempt


class Observer(Protocol):
    """Notified of the end of exchanges and attempts: the access log, traces, tap. Must not block."""

    def exchange_ended(
        self, exchange: "Exchange", service_port: str, status: int, reason: str, elapsed_s: float
    ) -> None:
        """The last byte of the response was sent, or sending failed. `service_port` is "" without a route."""
        ...

    def attempt_ended(self, attempt: "Attempt") -> None:
        """The attempt has ended; see `Attempt.end`."""
        ...


class Exchange:
    """One request with its caller, its time limits and its attempts."""

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
        "interim",
        "observer",
        "request",
        "scope",
        "shadowed",
        "started",
        "tried",
        "tries",
        "uploading",
    )

    def __init__(self, request: Request, body: Body, client: str, scope: Scope, started: float) -> None:
        self.request = request
        self.body = body
        self.client = client
        """The client's address, always that of its socket."""
        self.caller = UNKNOWN
        """The caller with this address: a pod of this node, the node itself, or unknown."""
        self.scope = scope
        """The innermost scope around it."""
        self.started = started
        """Time at which its head was complete, monotonic seconds."""
        self.added = b""
        """Field lines that the mesh adds to the request."""
        self.interim: Callable[[Response], Awaitable[None]] | None = None
        """Sends a 1xx response to the client; None if the client's protocol has none."""
        self.allowance_s = inf
        """Time limit, in seconds, from the end of a streamed request body; then it sets the scope's `until`."""
        self.tries = 0
        """Number of attempts, with failed connects."""
        self.deliveries = 0
        """Number of attempts whose bytes an endpoint may have received."""
        self.deliveries_most = 2
        """Limit of `deliveries`. The default allows one repetition: the endpoint may have closed an idle connection."""
        self.uploading = False
        """Whether its streamed body is being read and sent to an endpoint."""
        self.answered = False
        """Whether it failed after the first byte of a response, and so must not be sent again."""
        self.endpoint_name = ""
        """The endpoint of the last attempt, for logs."""
        self.observer: Observer | None = None
        self.shadowed: tuple[str, ...] = ()
        """Decisions of policies in shadow mode, which had no effect: `<policy>:<outcome>`."""
        self.tried: list[object] | None = None
        """Endpoints of failed attempts, which the balancer avoids while others are usable."""

    def may_be_delivered_again(self) -> bool:
        """Whether the request may be sent again. It rewinds the body, so call it only to send."""
        return not self.answered and self.deliveries < self.deliveries_most and self.body.rewind()


Handler = Callable[[Exchange], Awaitable[Response]]
"""Returns the response to an exchange. Raises ProxyError if there is none."""


class Place(NamedTuple):
    """A service port by name, where a policy may send an exchange; None stands for that of the exchange's service."""

    service: str
    namespace: str | None = None
    port: int | None = None


async def _nowhere(_exchange: Exchange) -> Response:
    raise NoEndpoints("no other service can be called from here")


@dataclass(frozen=True, slots=True)
class Tools:
    """Clock, chance and counters for a policy of a service port; tests pass their own."""

    now: Callable[[], float]
    random: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    stats: RouteStats
    decisions: Decisions
    workers: int = 1
    """Number of worker processes of this node, each with its own policy states."""
    wall: Callable[[], float] = time
    """Seconds since 1970: the clock that all nodes share."""
    elsewhere: Callable[[Place], Handler] = lambda _place: _nowhere
    """A handler that sends to another service, without its policies. It is looked up for each request."""
