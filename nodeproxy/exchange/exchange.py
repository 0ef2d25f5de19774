"""What passes through a service's handlers: an exchange goes in, a response comes out.

`Exchange` and `Handler` are the same whatever protocol is on either side.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from nodeproxy.exchange.decisions import Decisions
from nodeproxy.io.scope import Scope
from nodeproxy.mesh.callers import UNKNOWN
from nodeproxy.protocol.message import Body, Request, Response
from nodeproxy.telemetry.stats import RouteStats

if TYPE_CHECKING:
    from nodeproxy.exchange.attempt import Attempt, Carrier


class Observer(Protocol):
    """Is told what became of exchanges and attempts: the access log, traces, tap. Must not wait."""

    def exchange_ended(
        self, exchange: "Exchange", service_port: str, status: int, reason: str, elapsed_s: float
    ) -> None:
        """The last byte of its response was sent, or could not be. `service_port` is "" where none was found."""
        ...

    def attempt_ended(self, attempt: "Attempt") -> None:
        """See `Attempt.end`."""
        ...


class Exchange:
    """One request on its way: what was asked, by whom, until when, and what has been tried."""

    __slots__ = (
        "added",
        "answered",
        "body",
        "caller",
        "client",
        "deliveries",
        "deliveries_most",
        "endpoint",
        "interim",
        "not_retried",
        "observer",
        "request",
        "scope",
        "shadowed",
        "started",
        "tried",
        "tries",
    )

    elsewhere: ClassVar[bool] = False
    """Whether it may only go to endpoints that have not been tried."""

    def __init__(self, request: Request, body: Body, client: str, scope: Scope, started: float) -> None:
        self.request = request
        self.body = body
        self.client = client
        """The client's address, taken from its socket and from nothing else."""
        self.caller = UNKNOWN
        """The pod of this node that has this address."""
        self.scope = scope
        """The innermost one that it is in."""
        self.started = started
        """When its head was complete, monotonic seconds."""
        self.added = b""
        """The field lines that the mesh adds to the request."""
        self.interim: Callable[[Response], Awaitable[None]] | None = None
        """Sends a 1xx response to the client; None when the client's protocol has none."""
        self.tries = 0
        """How often it was sent, or tried to be sent, to an endpoint."""
        self.deliveries = 0
        """How often its bytes were sent to an endpoint, or may have been."""
        self.deliveries_most = 2
        """How often they may be. By default once more, where the endpoint has closed an idle connection meanwhile."""
        self.answered = False
        """Whether it failed after the first byte of a response: then it is not sent again."""
        self.endpoint: Carrier | None = None
        """The endpoint it was last sent to; in the end, the one whose response it has."""
        self.not_retried = ""
        """Why it was not sent again after it failed, where policies would have allowed it; for logs."""
        self.observer: Observer | None = None
        self.shadowed: tuple[str, ...] = ()
        """What policies in shadow mode would have done: `<policy>:<outcome>`."""
        self.tried: list[object] | None = None
        """Endpoints that failed it, not to be chosen again while others are left."""

    @property
    def endpoint_name(self) -> str:
        """The name of `endpoint`, "" where there is none."""
        return "" if self.endpoint is None else self.endpoint.name

    def may_be_delivered_again(self) -> bool:
        """Whether the request may be sent once more. To be asked last: its body starts over."""
        return not self.answered and self.deliveries < self.deliveries_most and self.body.rewind()


class Fork(Exchange):
    """One more attempt of an exchange, concurrent with its own: what was asked is shared, what becomes of it is not.

    Observers are told of its attempts as of all others; it has no interim responses and is not counted as an exchange.
    """

    __slots__ = ()
    elsewhere = True

    def __init__(self, exchange: Exchange, body: Body, scope: Scope, tried: list[object]) -> None:
        """`scope` is of the task that sends it, inside that of `exchange`."""
        super().__init__(exchange.request, body, exchange.client, scope, exchange.started)
        self.caller = exchange.caller
        self.added = exchange.added
        self.observer = exchange.observer
        self.tried = tried


Handler = Callable[[Exchange], Awaitable[Response]]
"""Takes an exchange to its response. Raises ProxyError where there is none."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a policy of a service port may use of the world; tests pass their own."""

    now: Callable[[], float]
    random: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    stats: RouteStats
    decisions: Decisions
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of all policies of the service port, by name."""
    states: Mapping[str, Any] = field(default_factory=dict)
    """Of the policies of the service port that have one, by name; for `wrap`, not yet for `state`."""
