"""Plain counters that the hot lane increments; `control.reports` sends them to the control process."""

from bisect import bisect_left
from collections import defaultdict

from nodeproxy.mesh.reports import LATENCY_BOUNDS_S
from nodeproxy.telemetry.exemplars import Exemplar
from nodeproxy.telemetry.udp_stats import UdpStats

TO_ENDPOINT, TO_CLIENT = "to_endpoint", "to_client"

HTTP1, HTTP2, GRPC = "http1", "http2", "grpc"
"""What clients have spoken, as requests are counted."""
SHORTAGES = ("accept", "endpoint", "listener", "probe")


class Counted:
    """A number of bytes."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0


class ConnectionStats:
    """The numbers of one service port's connections that carry bytes, of one kind: of TCP, or upgraded by 101."""

    __slots__ = ("active", "ended", "opened", "seconds", "to_client", "to_endpoint")

    def __init__(self) -> None:
        self.opened = 0
        """Connections that were joined with one to an endpoint."""
        self.active = 0
        self.to_endpoint, self.to_client = Counted(), Counted()
        """What has been relayed, by direction."""
        self.seconds = 0.0
        """How long those that have ended were joined, in all."""
        self.ended: defaultdict[tuple[str, tuple[str, str]], int] = defaultdict(int)
        """Connections by why they ended and by caller, also those that were never joined: "" where both sides had ended
        theirs, else the reason of an error."""

    @property
    def bytes(self) -> dict[str, int]:
        """What has been relayed, by direction."""
        return {TO_ENDPOINT: self.to_endpoint.bytes, TO_CLIENT: self.to_client.bytes}

    @property
    def reasons(self) -> dict[str, int]:
        """Connections by why they ended."""
        reasons: dict[str, int] = {}
        for (reason, _), number in self.ended.items():
            reasons[reason] = reasons.get(reason, 0) + number
        return reasons

    @property
    def mark(self) -> tuple[int, ...]:
        """A value that differs when any number has changed; cheap."""
        return self.opened, self.to_endpoint.bytes, self.to_client.bytes, sum(self.ended.values())

    def count_opened(self) -> None:
        """Count a connection that is joined with one to an endpoint from now on."""
        self.opened += 1
        self.active += 1

    def count_ended(self, reason: str, caller: tuple[str, str], elapsed_s: float) -> None:
        """Count the end of a connection that was joined for so many seconds."""
        self.active -= 1
        self.seconds += elapsed_s
        self.ended[reason, caller] += 1

    def count_refused(self, reason: str, caller: tuple[str, str]) -> None:
        """Count the end of a connection that was never joined with one to an endpoint."""
        self.ended[reason, caller] += 1


class OwnPolicyStats:
    """The calls of one custom policy, and what they added to the time of requests."""

    __slots__ = ("calls", "seconds")

    def __init__(self) -> None:
        self.calls = 0
        self.seconds = 0.0


class RouteStats:
    """The numbers of one service port in one worker."""

    __slots__ = (
        "buckets", "calls", "connections", "decisions", "exemplars", "own_policies", "redis_commands", "requests",
        "retries", "seconds", "service_port", "tunnels", "udp",
    )  # fmt: skip

    def __init__(self, service_port: str = "") -> None:
        self.service_port = service_port
        """`<namespace>/<service>:<port>`; "" for requests that reached none."""
        self.requests: defaultdict[tuple[int, str, tuple[str, str], str], int] = defaultdict(int)
        """Exchanges by status, reason, caller and protocol; the reason is "" for an endpoint's own response."""
        self.buckets = [0] * (len(LATENCY_BOUNDS_S) + 1)
        """Exchanges by duration: up to each bound, and the rest."""
        self.exemplars: dict[int, Exemplar] | None = None
        """By bucket; None before the first request with a sampled trace."""
        self.seconds = 0.0
        self.calls: dict[int, int] | None = None
        """gRPC calls by the grpc-status that the client got; None before the first one: most services have none."""
        self.tunnels: ConnectionStats | None = None
        """Of connections that have left HTTP by 101; None before the first one: most services have none."""
        self.connections: ConnectionStats | None = None
        """Of connections that carry no HTTP; None before the first one."""
        self.udp: UdpStats | None = None
        """None before the first datagram."""
        self.redis_commands: dict[str, int] | None = None
        """Commands of Redis by name; None where none are counted: see the policy `redis`."""
        self.own_policies: dict[str, OwnPolicyStats] | None = None
        """By policy; None where no custom one was called."""
        self.retries = 0
        self.decisions: dict[tuple[str, str, str], int] = {}
        """Of policies, by policy, outcome and mode; see `exchange.decisions`."""

    def of_tunnels(self) -> ConnectionStats:
        """`tunnels`, made for the first one."""
        if self.tunnels is None:
            self.tunnels = ConnectionStats()
        return self.tunnels

    def of_connections(self) -> ConnectionStats:
        """`connections`, made for the first one."""
        if self.connections is None:
            self.connections = ConnectionStats()
        return self.connections

    def of_udp(self) -> UdpStats:
        """`udp`, made for the first datagram."""
        if self.udp is None:
            self.udp = UdpStats()
        return self.udp

    def of_own_policy(self, name: str) -> OwnPolicyStats:
        """That of this custom policy, made for its first call."""
        if self.own_policies is None:
            self.own_policies = {}
        return self.own_policies.setdefault(name, OwnPolicyStats())

    def count(self, status: int, reason: str, caller: tuple[str, str], elapsed_s: float, protocol: str = HTTP1) -> int:
        """Count one finished exchange: its response's last byte has been sent, or it failed. Returns its bucket."""
        self.requests[status, reason, caller, protocol] += 1
        bucket = bisect_left(LATENCY_BOUNDS_S, elapsed_s)
        self.buckets[bucket] += 1
        self.seconds += elapsed_s
        return bucket

    def note_exemplar(self, bucket: int, exemplar: Exemplar) -> None:
        """Keep the trace of a counted exchange, in place of an older one of the same bucket."""
        if self.exemplars is None:
            self.exemplars = {}
        self.exemplars[bucket] = exemplar

    def count_call(self, status: int) -> None:
        """The finished exchange was a gRPC call that ended with this grpc-status."""
        calls = self.calls
        if calls is None:
            calls = self.calls = {}
        calls[status] = calls.get(status, 0) + 1


class WorkerStats:
    """The numbers of one worker that belong to no service."""

    __slots__ = (
        "accepted",
        "bugs",
        "closed_for_room",
        "connections",
        "connects",
        "http2_accepted",
        "http2_floods",
        "http2_refused",
        "log_lines_lost",
        "samples_lost",
        "shortages",
        "unrouted",
        "updates",
        "updates_refused",
    )

    def __init__(self) -> None:
        self.accepted = 0
        self.connections = 0
        """Client connections open now."""
        self.connects = 0
        """Accepted CONNECTs, each of which sets the service of all further requests on its connection."""
        self.http2_accepted = 0
        """Client connections on which HTTP/2 was spoken."""
        self.http2_refused = 0
        """Streams beyond the limit of their connection."""
        self.http2_floods = 0
        """Client connections ended because of what they cost: floods, resets, header bombs."""
        self.closed_for_room = 0
        """Idle client connections closed to admit new ones."""
        self.shortages = dict.fromkeys(SHORTAGES, 0)
        """Sockets that could not be opened for want of a descriptor or memory, by purpose."""
        self.bugs = 0
        """Unexpected exceptions; each has a traceback in the log."""
        self.unrouted = RouteStats()
        """Requests without a route: malformed ones and unknown names."""
        self.updates = 0
        self.updates_refused = 0
        self.log_lines_lost = 0
        self.samples_lost = 0
        """Recorded exchanges that were not sent to the control process."""
