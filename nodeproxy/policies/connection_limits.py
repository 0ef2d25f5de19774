"""The limits of `connectionPool`, kept by `upstream.pool`: on connections, requests, and requests that wait."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

from nodeproxy.errors import ConnectionPoolFull
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.io.calls import park
from nodeproxy.io.reactor import Reactor
from nodeproxy.io.task import Task


@dataclass(frozen=True, slots=True)
class Bounds:
    """The numbers of `connectionPool`, for this worker; infinite where there is no limit."""

    connections: float = inf
    pending: float = inf
    """Requests that wait for a connection at the limit of connections."""
    requests: float = inf
    """Requests under way, without those that wait."""
    requests_per_connection: float = inf
    idle_s: float = inf
    """How long a connection may be idle."""
    drain_s: float = inf
    """How long a TCP connection may go on when its endpoint has left the service."""


class Limited(Protocol):
    """A pool, as far as limits use it."""

    @property
    def count(self) -> int:
        """Its connections, open or being opened."""
        ...

    @property
    def idle_count(self) -> int: ...

    @property
    def active(self) -> int: ...

    def close_oldest(self) -> bool: ...


class ConnectionLimits:
    """Counts the connections of a cluster and keeps them within `bounds`. In shadow mode it only counts decisions."""

    def __init__(self, bounds: Bounds, decisions: Decisions) -> None:
        self.bounds = bounds
        self.connections = 0
        """Open, or being opened."""
        self.busy = 0
        """Requests under way on them: over HTTP/1.1 one on each."""
        self._decisions = decisions
        self._pools: Sequence[Limited] = ()
        self._waiting: OrderedDict[Task, None] = OrderedDict()

    @property
    def waiting(self) -> int:
        """The number of requests that wait for a connection."""
        return len(self._waiting)

    def follow(self, pools: Sequence[Limited]) -> None:
        """Apply to exactly these pools of the cluster from now on, with the connections that they have."""
        known = {id(pool) for pool in self._pools}
        for pool in pools:
            if id(pool) not in known:
                self.connections += pool.count
                self.busy += pool.active
        self._pools = pools

    def is_next(self, task: Task) -> bool:
        """Whether no request of another task waits before that of `task`."""
        return not self._waiting or next(iter(self._waiting)) is task

    def check_requests(self) -> None:
        """Check that one more request may be sent.

        Raises:
            ConnectionPoolFull: as many as `maxRequests` are under way.
        """
        if self.busy >= self.bounds.requests:
            self._refuse("max-requests", f"maxRequests: {self.bounds.requests:g} are under way")

    def admit(self) -> bool:
        """Count a connection to be opened; returns False if the cluster has as many as it may.

        The oldest idle connection of another endpoint makes way: the endpoint was chosen by the balancer.
        """
        if self._decisions.shadow:
            if self.connections >= self.bounds.connections and not any(pool.idle_count for pool in self._pools):
                self._decisions.count("max-connections")
        else:
            while self.connections >= self.bounds.connections:  # by more than one where the limit was higher before
                if not self._make_way():
                    return False
        self.connections += 1
        self.busy += 1
        return True

    def admit_at_once(self) -> None:
        """As `admit`, for what cannot wait.

        Raises:
            ConnectionPoolFull: the cluster has as many connections as it may.
        """
        if not self.admit():
            self._refuse("max-connections", f"maxConnections: {self.bounds.connections:g} are open")

    async def wait(self, reactor: Reactor) -> None:
        """Wait until a connection has become idle or was closed, first come, first served. May be spurious.

        Raises:
            ConnectionPoolFull: as many requests as `maxPendingRequests` wait.
        """
        task = reactor.current
        if task not in self._waiting:
            if len(self._waiting) >= self.bounds.pending:
                self._refuse("max-pending", f"maxPendingRequests: {self.bounds.pending:g} wait for a connection")
            self._decisions.count("queued")
            self._waiting[task] = None
        try:
            await park()
        except BaseException:
            self.leave(task)
            raise

    def leave(self, task: Task) -> None:
        """The request of this task does not wait any more."""
        if task in self._waiting:
            del self._waiting[task]
            self._wake(task.reactor)

    def released(self, reactor: Reactor) -> None:
        """A connection has become idle."""
        self.busy -= 1
        self._wake(reactor)

    def closed(self, reactor: Reactor, idle: bool) -> None:
        """A connection has been closed; `idle` says whether it was idle."""
        self.connections -= 1
        if not idle:
            self.busy -= 1
        self._wake(reactor)

    def replaced(self, reactor: Reactor) -> None:
        """Other limits apply from now on: the requests that wait are to look at those."""
        self.wake_all(reactor)
        self._waiting.clear()

    def wake_all(self, reactor: Reactor) -> None:
        """Let all requests that wait look again, each in its place: an endpoint has left the service."""
        for task in self._waiting:
            reactor.wake(task)

    def _wake(self, reactor: Reactor) -> None:
        if self._waiting:
            reactor.wake(next(iter(self._waiting)))

    def _make_way(self) -> bool:
        return any(pool.close_oldest() for pool in self._pools)

    def _refuse(self, outcome: str, why: str) -> None:
        self._decisions.count(outcome)
        if not self._decisions.shadow:
            raise ConnectionPoolFull(f"connectionPool.{why}")
