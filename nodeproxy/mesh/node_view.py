"""What the control process answers to the command line."""

import msgspec

from nodeproxy.mesh.model import Caller
from nodeproxy.mesh.wire import Watched

SOCKET = "control.sock"
"""The name of the Unix socket in `run_dir`; only the user of the proxy can connect to it."""


class WorkerView(msgspec.Struct, frozen=True):
    """One worker."""

    number: int
    pid: int
    connected: bool
    report_age_s: float | None
    """Since its last report, None before the first."""
    connections: int
    listeners_missing: int
    """Virtual addresses without a listener; its log has the reason."""
    udp_sessions: int = 0


class SubscriptionView(msgspec.Struct, frozen=True):
    """One subscription, on all workers that have it."""

    service: str
    """Its key."""
    workers: tuple[int, ...]
    since_s: float
    """Of the worker that has it longest."""
    unused_s: float
    """Since a worker last saw it in use."""


class RolloutView(msgspec.Struct, frozen=True):
    """A changed policy table of one service that is on trial, or was taken back."""

    service: str
    """Its key."""
    state: str
    """How much it is in force, or why it was taken back, in words."""
    for_s: float
    """Since it began."""


class NodeStatus(msgspec.Struct, frozen=True):
    """One node."""

    workers: tuple[WorkerView, ...]
    table_age_s: float | None
    """Of the oldest table of a connected worker, None if one has none."""
    watches: tuple[Watched, ...]
    services: int
    """In the mesh."""
    unsubscribed: int
    """Of them, those whose endpoints this node does not follow."""
    restored: bool
    """Whether they are the last good state on disk, because the source has not been in sync yet."""
    subscriptions: tuple[SubscriptionView, ...]
    callers: tuple[Caller, ...]
    silent: tuple[int, ...]
    """Workers that were asked for their subscriptions and did not answer in time."""
    rollouts: tuple[RolloutView, ...] = ()


class PortView(msgspec.Struct, frozen=True):
    """One service port, summed over the workers. `errors` are responses of 500 and above."""

    namespace: str
    service: str
    port: str
    endpoints: int
    usable: int
    active: int
    requests: int
    errors: int
    retries: int
    connections: int = 0
    """TCP connections that carry no HTTP, or UDP sessions, open now."""
    durations: tuple[int, ...] = ()
    """Completed requests by duration: up to each bound of `reports.LATENCY_BOUNDS_S`, and the rest; not cumulative."""
    protocol: str = ""
    address: str = ""
    """The virtual address, "" without one."""
    subscribed: bool = True
    """Whether its endpoints are followed."""
