"""The recording of one exchange: its attempts, what policies decided, and how it ended, for traces and for tap.

A recording is made for few exchanges; all others cost a comparison with None where one could begin, and where each of
its parts could be noted. It passes itself to its sinks when the exchange has ended.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from nodeproxy.mesh.model import Port, Service
from nodeproxy.protocol.message import Request

if TYPE_CHECKING:
    from nodeproxy.exchange.attempt import Attempt
    from nodeproxy.exchange.exchange import Exchange
    from nodeproxy.exchange.tracing import Trace

ATTEMPTS_MOST = 32  # recorded of one exchange: more than any policy begins; further ones are only counted
EVENTS_MOST = 64  # recorded of one exchange; further ones are only counted
CANCELLED = "cancelled"


class Matched(Protocol):
    """The service port of a request."""

    @property
    def service(self) -> Service: ...

    @property
    def port(self) -> Port: ...


Match = Callable[[Request, str], Matched]
"""The service port of a request from a caller in this namespace. Raises ProxyError if there is none."""
Sink = Callable[["Recording"], None]
"""Takes a recording that has ended, within the hot lane: it must not wait, and keeps no reference to the exchange."""


class Decided(NamedTuple):
    """An event of an exchange: a policy has decided something about it."""

    at: float
    """Monotonic seconds."""
    policy: str
    outcome: str
    """One of the policy's outcomes, see docs/policies: `retried-5xx`, `exhausted`, `hedged`, `consecutive-5xx` and so
    on."""
    mode: str
    """`enforce` or `shadow`."""


class Recording:
    """What happens to one exchange, until it has ended."""

    __slots__ = (
        "_added", "_now", "attempts", "elapsed_s", "events", "exchange", "left_out", "reason", "service_port", "sinks",
        "status", "trace",
    )  # fmt: skip
    events: Sequence[Decided]

    def __init__(
        self, exchange: "Exchange", now: Callable[[], float], sinks: tuple[Sink, ...], trace: "Trace | None"
    ) -> None:
        """Record `exchange` from now on; `trace` is the trace that it belongs to, if it is sampled."""
        self.exchange = exchange
        self.trace = trace
        self.sinks = sinks
        self.attempts: list[Attempt] = []
        """Each with the times and the id that it has only where it is recorded."""
        self.events = ()
        self.left_out = 0
        """Attempts and events beyond the limits."""
        self._now = now
        self._added = exchange.added
        exchange.recording = self

    def added_to_copies(self) -> bytes:
        """The field lines that are added to a copy of the request, within the span of the exchange itself."""
        return self._added if self.trace is None else self._added + self.trace.lines(self.trace.span_id)

    def attempt_began(self, attempt: "Attempt") -> None:
        """Note an attempt; where the exchange is traced, what is sent in it has the attempt's own context."""
        trace = self.trace
        if trace is None:
            attempt.span_id = b""
        else:
            attempt.span_id = span_id = trace.new_span_id()
            attempt.exchange.added = self._added + trace.lines(span_id)
        if len(self.attempts) < ATTEMPTS_MOST:
            self.attempts.append(attempt)
        else:
            self.left_out += 1

    def attempt_ended(self, attempt: "Attempt") -> None:
        """Note the end of an attempt that began after the recording."""
        attempt.ended = self._now()

    def decided(self, policy: str, outcome: str, mode: str) -> None:
        """Note a decision of a policy."""
        if len(self.events) < EVENTS_MOST:
            self.events = (*self.events, Decided(self._now(), policy, outcome, mode))
        else:
            self.left_out += 1

    def exchange_ended(self, service_port: str, status: int, reason: str, elapsed_s: float) -> None:
        """Pass the recording on; a hedge that is still being interrupted counts as ended now.

        `service_port` is `<namespace>/<service>:<port>`, or "" without a route; `reason` is "" for a response of an
        endpoint, else as `errors.ProxyError.reason`.
        """
        self.service_port, self.status, self.reason, self.elapsed_s = service_port, status, reason, elapsed_s
        for attempt in self.attempts:
            if attempt.outcome is None:
                attempt.ended = self.exchange.started + elapsed_s
        for sink in self.sinks:
            sink(self)
        # Requests leave nothing for the garbage collector: these were cycles.
        self.exchange.recording, self.attempts = None, []


class Tap:
    """A subscription to recordings: of which exchanges, and the sink that takes them."""

    __slots__ = ("take", "wants")

    def __init__(self, wants: Callable[["Exchange", Match], bool], take: Sink) -> None:
        self.wants = wants
        """Asked when the head of a request has come; with what finds its service port."""
        self.take = take


class Recorder:
    """Begins the recordings of one worker."""

    __slots__ = ("_now", "_taps", "_trace_of", "_traced", "begin")

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` returns monotonic seconds."""
        self.begin: Callable[[Exchange, Match], None] | None = None
        """Called with each new exchange, and what finds its service port; None while none would be recorded."""
        self._now = now
        self._taps: tuple[Tap, ...] = ()
        self._trace_of: Callable[[Exchange], Trace | None] | None = None
        self._traced: Sink | None = None

    def trace(self, trace_of: Callable[["Exchange"], "Trace | None"], take: Sink) -> None:
        """Record each exchange for which `trace_of` returns its trace."""
        self._trace_of, self._traced = trace_of, take
        self._follow()

    def add(self, tap: Tap) -> None:
        """Record what `tap` wants, from the next exchange on."""
        self._taps += (tap,)
        self._follow()

    def remove(self, tap: Tap) -> None:
        """Record nothing more for `tap`; recordings under way still come."""
        self._taps = tuple(each for each in self._taps if each is not tap)
        self._follow()

    def _follow(self) -> None:
        self.begin = self._begin if self._taps or self._trace_of is not None else None

    def _begin(self, exchange: "Exchange", match: Match) -> None:
        trace = None if self._trace_of is None else self._trace_of(exchange)
        if trace is None and not self._taps:
            return
        sinks: tuple[Sink, ...] = () if trace is None or self._traced is None else (self._traced,)
        for tap in self._taps:
            if tap.wants(exchange, match):
                sinks += (tap.take,)
        if sinks:
            Recording(exchange, self._now, sinks, trace)
