"""The interface of a service's handlers: a handler takes an exchange and returns a response.

`Exchange` and `Handler` are independent of the protocols of client and endpoint.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from time import time
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from nodeproxy.errors import NoEndpoints
from nodeproxy.exchange.call import Call
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.io.background import Background
from nodeproxy.io.event import Event
from nodeproxy.io.scope import Scope
from nodeproxy.limits.buckets import Buckets
from nodeproxy.mesh.callers import UNKNOWN
from nodeproxy.protocol.message import Body, Request, Response
from nodeproxy.telemetry.stats import RouteStats

if TYPE_CHECKING:
    from nodeproxy.exchange.attempt import Attempt, Carrier
    from nodeproxy.exchange.connection import Ended
    from nodeproxy.exchange.recording import Recording


class Observer(Protocol):
    """Notified of the end of exchanges and attempts: the access log, traces, tap. Must not block."""

    def exchange_ended(
        self, exchange: "Exchange", service_port: str, status: int, reason: str, elapsed_s: float
    ) -> None:
        """The last byte of the response was sent, or sending failed. `service_port` is "" without a route."""
        ...

    def connection_ended(self, connection: "Exchange", service_port: str, ended: "Ended") -> None:
        """A connection without HTTP, or a UDP session, has ended. `service_port` is "" without a route."""
        ...

    def attempt_ended(self, attempt: "Attempt") -> None:
        """The attempt has ended; see `Attempt.end`."""
        ...


class Exchange:
    """One request with its caller, its time limits and its attempts."""

    __slots__ = (
        "added",
        "answered",
        "body",
        "call",
        "caller",
        "client",
        "deliveries",
        "deliveries_most",
        "endpoint",
        "interim",
        "not_retried",
        "observer",
        "recording",
        "request",
        "rule",
        "scope",
        "sent_bytes",
        "shadowed",
        "started",
        "tried",
        "tries",
        "uploading",
    )

    only_untried: ClassVar[bool] = False
    """Whether it may only go to endpoints that have not been tried."""

    def __init__(self, request: Request, body: Body, client: str, scope: Scope, started: float) -> None:
        self.request = request
        self.body = body
        self.client = client
        """The client's address, always that of its socket."""
        self.caller = UNKNOWN
        """The caller with this address: a pod of this node, the node itself, or unknown."""
        self.call: Call | None = None
        """What makes it a gRPC call; None for every other exchange."""
        self.scope = scope
        """The innermost scope around it."""
        self.started = started
        """Time at which its head was complete, monotonic seconds."""
        self.added = b""
        """Field lines that the mesh adds to the request; of a connection, what it sends first."""
        self.interim: Callable[[Response], Awaitable[None]] | None = None
        """Sends a 1xx response to the client; None if the client's protocol has none."""
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
        self.endpoint: Carrier | None = None
        """The endpoint it was last sent to; in the end, the one whose response it has."""
        self.rule = ""
        """The rule of `routes` that decides about it, by its name or number; "" for none."""
        self.not_retried = ""
        """Why it was not sent again after it failed, where policies would have allowed it; for logs."""
        self.observer: Observer | None = None
        self.recording: Recording | None = None
        """What is recorded of it; None for almost all."""
        self.sent_bytes = 0
        """Of the body of the response, handed to the client's connection; counted only for an observer."""
        self.shadowed: tuple[str, ...] = ()
        """Decisions of policies in shadow mode, which had no effect: `<policy>:<outcome>`."""
        self.tried: list[object] | None = None
        """Endpoints of failed attempts, which the balancer avoids while others are usable."""

    @property
    def endpoint_name(self) -> str:
        """The name of `endpoint`, "" where there is none."""
        return "" if self.endpoint is None else self.endpoint.name

    def may_be_delivered_again(self) -> bool:
        """Whether the request may be sent again. It rewinds the body, so call it only to send."""
        return not self.answered and self.deliveries < self.deliveries_most and self.body.rewind()


class Fork(Exchange):
    """One more attempt of an exchange, concurrent with its own: what was asked is shared, what becomes of it is not.

    Observers learn of its attempts as of all others; it has no interim responses and is not counted as an exchange.
    """

    __slots__ = ()
    only_untried = True

    def __init__(self, exchange: Exchange, body: Body, scope: Scope, tried: list[object]) -> None:
        """`scope` is of the task that sends it, inside that of `exchange`."""
        super().__init__(exchange.request, body, exchange.client, scope, exchange.started)
        self.caller = exchange.caller
        self.added = exchange.added
        self.call = exchange.call
        self.rule = exchange.rule
        self.observer = exchange.observer
        self.recording = exchange.recording
        self.tried = tried


Handler = Callable[[Exchange], Awaitable[Response]]
"""Returns the response to an exchange. Raises ProxyError if there is none."""


class Place(NamedTuple):
    """A service port by name, where a policy may send an exchange; None stands for that of the exchange's service."""

    service: str | None = None
    namespace: str | None = None
    port: int | None = None
    labels: str = ""
    """Those of its endpoints, as a text of `mesh.selectors.selector_text`; "" for all of them."""


async def nowhere(_exchange: Exchange) -> Response:
    """The handler where no other service can be called.

    Raises:
        NoEndpoints: always.
    """
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
    elsewhere: Callable[[Place], Handler] = lambda _place: nowhere
    """A handler that sends to another service, without its policies. It is looked up for each request."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of all policies of the service port, by name."""
    states: Mapping[str, Any] = field(default_factory=dict)
    """Of the policies of the service port that have one, by name; for `wrap`, not yet for `state`."""
    buckets: Buckets | None = None
    """Those of the node; None for a policy that is alone, which makes its own."""
    event: Callable[[], Event] | None = None
    """Makes something that tasks of the hot lane can wait for; None where there is no lane."""
    log_line: Callable[[dict[str, str | int | float], str], None] | None = None
    """Adds a line to the access log, with its fields, as `json` or `text`; None where nothing is written."""
    background: Background | None = None
    """Runs what no exchange waits for; None where there is no lane."""
