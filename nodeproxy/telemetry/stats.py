"""Plain counters that the hot lane increments; `control.reports` sends them to the control process."""

from bisect import bisect_left
from collections import defaultdict

from nodeproxy.mesh.reports import LATENCY_BOUNDS_S

TO_ENDPOINT, TO_CLIENT = "to_endpoint", "to_client"

SHORTAGES = ("accept", "endpoint", "listener", "probe")


class TunnelStats:
    """The numbers of one service port's connections that have left HTTP by 101."""

    __slots__ = ("active", "bytes", "ended")

    def __init__(self) -> None:
        self.active = 0
        self.bytes = {TO_ENDPOINT: 0, TO_CLIENT: 0}
        """What has been relayed, by direction."""
        self.ended: defaultdict[str, int] = defaultdict(int)
        """Tunnels by why they ended: "" where both sides had ended theirs, else the reason of an error."""


class RouteStats:
    """The numbers of one service port in one worker."""

    __slots__ = ("buckets", "calls", "decisions", "requests", "retries", "seconds", "service_port", "tunnels")

    def __init__(self, service_port: str = "") -> None:
        self.service_port = service_port
        """`<namespace>/<service>:<port>`; "" for requests that reached none."""
        self.requests: defaultdict[tuple[int, str, tuple[str, str]], int] = defaultdict(int)
        """Exchanges by status, reason and caller; the reason is "" for an endpoint's own response."""
        self.buckets = [0] * (len(LATENCY_BOUNDS_S) + 1)
        """Exchanges by duration: up to each bound, and the rest."""
        self.seconds = 0.0
        self.calls: dict[int, int] | None = None
        """gRPC calls by the grpc-status that the client got; None before the first one: most services have none."""
        self.tunnels: TunnelStats | None = None
        """None before the first one: most services have none."""
        self.retries = 0
        self.decisions: dict[tuple[str, str, str], int] = {}
        """Of policies, by policy, outcome and mode; see `exchange.decisions`."""

    def count(self, status: int, reason: str, caller: tuple[str, str], elapsed_s: float) -> None:
        """Count one finished exchange: its response's last byte has been sent, or it failed."""
        self.requests[status, reason, caller] += 1
        self.buckets[bisect_left(LATENCY_BOUNDS_S, elapsed_s)] += 1
        self.seconds += elapsed_s

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
