"""What the connections of a listener share, whatever their protocol."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import urandom
from time import time

from nodeproxy.downstream.connection import Accept
from nodeproxy.downstream.udp_sessions import UdpSessions
from nodeproxy.errors import ProxyError
from nodeproxy.exchange.exchange import Exchange, Observer
from nodeproxy.exchange.failures import FailureLog
from nodeproxy.exchange.recording import Recorder
from nodeproxy.io.reactor import Reactor
from nodeproxy.mesh.callers import UNKNOWN, Callers, Known
from nodeproxy.protocol.forwarded import Adder
from nodeproxy.protocol.help_lines import HelpLines
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2.limits import HTTP2_LIMITS, Http2Limits
from nodeproxy.protocol.message import Request
from nodeproxy.table.table import Route
from nodeproxy.telemetry.exemplars import EXEMPLAR_S, Exemplar, sampled_trace_id
from nodeproxy.telemetry.stats import GRPC, HTTP1, RouteStats, WorkerStats


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """What all connections of one listener share."""

    reactor: Reactor
    accept: Accept
    """Makes the connection of each client; one that recognises other protocols passes on to `prefaces`."""
    match: Callable[[Request, str], Route]
    """The route of a request from a caller in this namespace. Raises UnknownService, UnknownCaller."""
    callers: Callers
    adder: Adder
    stats: WorkerStats
    limits: HeadLimits
    head_timeout_s: float
    idle_timeout_s: float
    half_close_is_gone: bool
    trusts_forwarded: bool
    """Whether the forwarding fields of any client are trusted; `callers` has the clients whose are."""
    observer: Observer | None
    via: Mapping[bytes, bytes]
    """The line that is added to a response; see `forwarded.VIA`."""
    recorder: Recorder
    sessions: UdpSessions
    """The UDP sessions of the worker."""
    help_lines: Mapping[str, bytes] = field(default_factory=HelpLines)
    """The line that is added to an error of the mesh, by its reason; see `HelpLines`."""
    http2: Http2Limits = HTTP2_LIMITS
    random_bytes: Callable[[int], bytes] = urandom
    """So many bytes that no one can foresee."""
    wall: Callable[[], float] = time
    """Unix time in seconds."""
    understands_connect: bool = False
    """Whether a client may name the service of all its further requests by CONNECT."""
    check_room_to_last: Callable[[], None] = lambda: None
    """Raises WorkerFull: one more connection that never makes way for another client is too many."""
    failures: FailureLog | None = None
    """Notes exchanges that failed."""
    prefaces: Mapping[bytes, Accept] = field(default_factory=dict)
    """The other protocols of this listener, by the bytes with which a client begins each; see `detect`."""

    def caller_of(self, client: str) -> Known:
        """The pod of this node with this address."""
        callers = self.callers
        return callers.known.get(client) or callers.stranger(client)

    def count(self, exchange: Exchange, route: Route | None, status: int, reason: str, protocol: str = HTTP1) -> None:
        """Count an exchange that has ended, and report it to the observer. `route` is None where none was found."""
        elapsed_s = self.reactor.clock() - exchange.started
        stats: RouteStats = self.stats.unrouted if route is None else route.stats
        request = exchange.request
        if exchange.call is not None:
            stats.count_call(exchange.call.end(status))
            protocol = GRPC
        bucket = stats.count(status, reason, exchange.caller.labels, elapsed_s, protocol)
        recording = exchange.recording
        if recording is not None or request.traced:
            self._note_exemplar(exchange, stats, bucket, elapsed_s)
        if (reason or status >= 500) and self.failures is not None:
            self.failures.note(exchange, "" if route is None else route.name, status, reason)
        observer = exchange.observer
        if observer is not None:
            observer.exchange_ended(exchange, "" if route is None else route.name, status, reason, elapsed_s)
        if recording is not None:
            recording.exchange_ended("" if route is None else route.name, status, reason, elapsed_s)

    def count_refused(self, error: ProxyError, client: str, protocol: str = HTTP1) -> None:
        """Count what came from the client with this address in the place of a request."""
        self.stats.unrouted.count(error.status, error.reason, UNKNOWN.labels, 0.0, protocol)
        if self.failures is not None:
            self.failures.note_refused(error.status, error.reason, self.caller_of(client).labels)

    def _note_exemplar(self, exchange: Exchange, stats: RouteStats, bucket: int, elapsed_s: float) -> None:
        """Remember the trace of a sampled exchange, if that of its bucket is older than EXEMPLAR_S."""
        now, recording = self.wall(), exchange.recording
        if stats.exemplars is not None and bucket in stats.exemplars:
            age_s = now - stats.exemplars[bucket].at
            if 0 <= age_s < EXEMPLAR_S:
                return
        if recording is not None and recording.trace is not None:
            trace_id = recording.trace.trace_id.decode()
        else:
            trace_id = sampled_trace_id(exchange.request.fields)
        if trace_id:
            stats.note_exemplar(bucket, Exemplar(trace_id, elapsed_s, now))
