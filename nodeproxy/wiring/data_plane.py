"""The hot lane of a worker: the table in force, the clusters its routes refer to, and the connections of clients."""

from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass
from random import Random
from time import time

from nodeproxy.downstream.connections import Connections
from nodeproxy.downstream.udp_sessions import UdpSessions
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Tools
from nodeproxy.exchange.failures import FailureLog
from nodeproxy.exchange.recording import Recorder
from nodeproxy.io.background import Background
from nodeproxy.io.capacity import Capacity
from nodeproxy.io.event import Event
from nodeproxy.io.reactor import Reactor
from nodeproxy.limits.buckets import Buckets
from nodeproxy.mesh.callers import Callers
from nodeproxy.mesh.names import CLUSTER_DOMAIN
from nodeproxy.mesh.wire import Update
from nodeproxy.policies.registry import BUILT_IN, Registry
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2.limits import HTTP2_LIMITS, Http2Limits
from nodeproxy.table.builder import Live
from nodeproxy.table.makers import Makers
from nodeproxy.telemetry.stats import RouteStats, WorkerStats
from nodeproxy.upstream.cluster import ClusterContext
from nodeproxy.upstream.clusters import Clusters
from nodeproxy.upstream.context import UpstreamContext
from nodeproxy.upstream.idle import IdleConnections
from nodeproxy.upstream.on_demand import Changes
from nodeproxy.wiring.service_ports import ServicePorts
from nodeproxy.wiring.upstreams import Upstreams


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The event loop, chance and time of a data plane: a worker's are real, a test's are under its control."""

    reactor: Reactor
    random: Random
    sleep: Callable[[float], Awaitable[None]]
    """The wait, in seconds, of policies."""
    on_bug: Callable[[BaseException], None]
    """Called with the unexpected exception that has ended a connection."""


@dataclass(frozen=True, slots=True)
class Node:
    """What is constant about the node that a data plane serves."""

    callers: Callers
    own: Container[tuple[str, int]] = ()
    """Addresses of the proxy's own listeners, which are never used as endpoints."""
    default_namespace: str = "default"
    """Namespace of `<service>.mesh` for callers that are not pods of this node."""
    cluster_domain: str = CLUSTER_DOMAIN
    workers: int = 1
    """Worker processes of the node."""
    buckets: Buckets | None = None
    """What limits count in, shared by all workers; None: this one has its own."""
    also_zones: tuple[str, ...] = ()
    """Further zones of the mesh's names."""
    registry: Registry = BUILT_IN
    """The policies that services may have."""


class DataPlane:
    """The objects of the hot lane, joined. It opens no socket: listeners are made by its user."""

    def __init__(
        self,
        surroundings: Surroundings,
        node: Node,
        capacity: Capacity,
        limits: HeadLimits,
        http2: Http2Limits = HTTP2_LIMITS,
    ) -> None:
        self.reactor = reactor = surroundings.reactor
        self.random = surroundings.random
        self.capacity = capacity
        self.limits = limits
        self.http2 = http2
        self.stats = WorkerStats()
        self.all_idle = IdleConnections(capacity.shared, self.stats.shortages)
        self.upstream = UpstreamContext(reactor, self.all_idle, limits, http2)
        self.clusters = Clusters(ClusterContext(self.upstream, node.own, self.random.random))
        self.changes = Changes(reactor)
        self.background = Background(reactor)
        self.live = Live(
            self._makers(),
            reactor.clock,
            node.default_namespace,
            node.callers,
            node.cluster_domain,
            node.also_zones,
            node.registry,
        )
        self.ports = ServicePorts(self.live, self.clusters, reactor.clock)
        self.connections = Connections(reactor, capacity.clients_most(0), surroundings.on_bug, self.stats)
        self.sessions = UdpSessions(reactor, self.changes, capacity.sessions_most, self.stats)
        self.recorder = Recorder(reactor.clock)
        self.failures = FailureLog(reactor.clock, time)
        self.log_line: Callable[[dict[str, str | int | float], str], None] | None = None
        """Adds a line to the access log; see `exchange.Tools`."""
        self._sleep = surroundings.sleep
        self._workers = node.workers
        self.buckets = node.buckets or Buckets.private()

    def install(self, update: Update) -> bool:
        """Put `update` in force and resume the requests that wait for it; returns whether it concerns the table.

        Raises:
            PolicyRefused: a service's policies are not valid; nothing has changed.
        """
        try:
            changed = self.live.install(update)
        finally:
            self.clusters.forget_unused()
        self.stats.updates += 1
        if changed:
            self.changes.notify()
        return changed

    def refused(self) -> None:
        """Count an update that could not be installed."""
        self.stats.updates_refused += 1

    def _makers(self) -> Makers:
        upstreams = Upstreams(self.clusters, self.reactor, self.changes, self._subscribe)
        return Makers(
            upstreams.make,
            upstreams.install,
            self.clusters.remove,
            self._tools,
            upstreams.elsewhere,
            upstreams.datagrams,
            upstreams.routed,
        )

    def _subscribe(self, service: str) -> None:
        self.live.subscriptions.want(service)

    def _tools(self, stats: RouteStats, decisions: Decisions) -> Tools:
        clock, chance = self.reactor.clock, self.random.random
        return Tools(
            clock,
            chance,
            self._sleep,
            stats,
            decisions,
            self._workers,
            buckets=self.buckets,
            event=self._event,
            log_line=self._log_line,
            background=self.background,
        )

    def _log_line(self, fields: dict[str, str | int | float], style: str) -> None:
        if self.log_line is not None:
            self.log_line(fields, style)

    def _event(self) -> Event:
        return Event(self.reactor)
