"""What a worker reports to the control process: the counters of its process and of each service port.

A worker sends an `Introduction` on each new connection, then rounds: a `PortReport` for each service port that has
changed since the last round, a `PortGone` for each that has left its table, and a `ProcessReport` that ends the round.
The first round of a connection contains every port. Values are totals since the worker's start, never differences, so a
report that is repeated does no harm.
"""

from typing import NamedTuple

import msgspec

LATENCY_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
REPORT_LIMIT_BYTES = 16 * 1024 * 1024  # 600 statuses of 256 callers are 9 MB; a line beyond this is a broken peer


class PortKey(NamedTuple):
    """A service port by name; all fields are "" for requests that reached no service."""

    namespace: str
    service: str
    port: str


UNROUTED = PortKey("", "", "")


class RequestKind(NamedTuple):
    """What completed requests are counted by; `reason` is "" for an endpoint's own response."""

    status: int
    reason: str
    source_namespace: str
    source_workload: str
    protocol: str = "http1"
    """What the client spoke: `http1`, `http2`, or `grpc` over either."""


class TracedRequest(NamedTuple):
    """The newest request with a sampled trace in one bucket of the durations."""

    bucket: int
    """Its index in `durations`."""
    trace_id: str
    seconds: float
    at: float
    """Unix time in seconds."""


class Decision(NamedTuple):
    """What decisions of policies are counted by."""

    policy: str
    outcome: str
    mode: str
    """`enforce`, or `shadow` for what would have been done."""


class EndKind(NamedTuple):
    """What TCP connections and UDP sessions that have ended are counted by."""

    reason: str
    """"" for a TCP connection both of whose sides had closed."""
    source_namespace: str
    source_workload: str


class ConnectionCounters(msgspec.Struct, frozen=True, omit_defaults=True):
    """The TCP connections of one service port that carry no HTTP."""

    opened: int = 0
    """Joined with one to an endpoint."""
    ended: tuple[tuple[EndKind, int], ...] = ()
    """Also those that were refused before."""
    bytes: dict[str, int] = {}
    """Relayed, by direction."""
    seconds: float = 0.0
    """How long those that have ended were joined."""


class UdpCounters(msgspec.Struct, frozen=True, omit_defaults=True):
    """The counters of one UDP service port."""

    sessions: tuple[tuple[EndKind, int], ...] = ()
    """That have ended."""
    datagrams: dict[str, int] = {}
    """Passed on, by direction."""
    bytes: dict[str, int] = {}
    dropped: dict[str, int] = {}
    """Datagrams that were not passed on, by why."""


class PortCounters(msgspec.Struct, frozen=True, omit_defaults=True):
    """The counters of one service port."""

    requests: tuple[tuple[RequestKind, int], ...] = ()
    durations: tuple[int, ...] = ()
    """Requests by duration: up to each bound of LATENCY_BOUNDS_S, and the rest; not cumulative."""
    seconds: float = 0.0
    retries: int = 0
    ejections: int = 0
    tunnels_ended: dict[str, int] = {}
    """Upgraded connections by why they ended, "" where both sides had ended theirs."""
    tunnel_bytes: dict[str, int] = {}
    """Bytes relayed on them by direction."""
    decisions: tuple[tuple[Decision, int], ...] = ()
    calls: dict[str, int] = {}
    """gRPC calls by grpc-status."""
    connections: ConnectionCounters = ConnectionCounters()
    udp: UdpCounters | None = None
    """None where no datagram has come."""
    redis_commands: dict[str, int] = {}
    """Commands of Redis by name."""
    own_policy_calls: dict[str, int] = {}
    """Calls of custom policies, by policy."""
    own_policy_seconds: dict[str, float] = {}
    """What they added to the time of requests."""
    exemplars: tuple[TracedRequest, ...] = ()


class PortState(msgspec.Struct, frozen=True, omit_defaults=True):
    """One service port now."""

    active: int = 0
    """Requests in flight."""
    endpoints: int = 0
    usable: int = 0
    """Endpoints neither ejected nor unhealthy."""
    tunnels: int = 0
    """Connections upgraded to another protocol (101), open now."""
    figures: dict[str, dict[str, float]] = {}
    """What policies export of their state, by policy and name; see `policies.block.Policy.numbers`."""
    connections: int = 0
    """TCP connections that carry no HTTP, open now; they are not among the requests."""
    udp_sessions: int = 0
    """UDP sessions now."""
    ejected: int = 0
    """Endpoints ejected by outlier detection or after a failed connect, and not unhealthy."""
    unhealthy: int = 0
    """Endpoints whose probes fail."""


class ProcessCounters(msgspec.Struct, frozen=True, omit_defaults=True):
    """The counters of one worker that belong to no service."""

    accepted: int = 0
    evicted: int = 0
    """Idle downstream connections closed at the limit."""
    connects: int = 0
    http2_accepted: int = 0
    """Downstream connections over HTTP/2."""
    http2_refused: int = 0
    """Streams refused at the limit of their connection."""
    http2_floods: int = 0
    """Downstream connections closed with ENHANCE_YOUR_CALM."""
    bugs: int = 0
    updates: int = 0
    updates_rejected: int = 0
    log_lines_dropped: int = 0
    samples_dropped: int = 0
    """Recorded exchanges that were not sent for traces or tap; see `samples`."""
    buckets_evicted: int = 0
    """Buckets of limits that lost their slot while something was taken from them; see `limits.buckets`."""
    shortages: dict[str, int] = {}
    """Sockets not opened for lack of a descriptor or memory, by purpose."""
    slow_turns: dict[str, int] = {}
    """Reactor turns by the highest bound they reached, in seconds."""


class ProcessState(msgspec.Struct, frozen=True, omit_defaults=True):
    """One worker now."""

    connections: int = 0
    connections_limit: int = 0
    open_files_limit: int = 0
    listeners_missing: int = 0
    udp_sessions: int = 0
    udp_sessions_limit: int = 0
    table_age_s: float | None = None
    """None before the first table."""
    open_files: int = 0
    """Descriptors open now."""


class Introduction(msgspec.Struct, frozen=True, tag="worker"):
    """The worker at the other end of a new connection."""

    number: int
    pid: int


class PortReport(msgspec.Struct, frozen=True, tag="port"):
    """One service port in one worker."""

    key: PortKey
    counters: PortCounters
    state: PortState = PortState()


class PortGone(msgspec.Struct, frozen=True, tag="port-gone"):
    """The worker no longer reports this port: it has left the table, or is neither subscribed nor called."""

    key: PortKey


class ProcessReport(msgspec.Struct, frozen=True, tag="process"):
    """One worker; ends a round."""

    counters: ProcessCounters
    state: ProcessState


Report = Introduction | PortReport | PortGone | ProcessReport
