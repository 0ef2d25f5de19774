"""Builds and connects the objects of a worker. No other module does."""

import gc
import logging
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar

import trio

from nodeproxy.control.admin import Admin
from nodeproxy.control.probes import Probing, probe_all
from nodeproxy.control.reports import Sources
from nodeproxy.control.subscriber import Receivers, subscribe
from nodeproxy.dns.on_demand import EndpointsWaiter
from nodeproxy.dns.server import Knowledge, serve_dns
from nodeproxy.downstream.connections import Connections
from nodeproxy.downstream.context import ConnectionContext
from nodeproxy.downstream.listener import Listener, bound, bound_datagrams
from nodeproxy.downstream.virtual_listeners import VirtualListeners
from nodeproxy.exchange.access_log import AccessLog
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Tools
from nodeproxy.io.capacity import ADMIN_MOST, Capacity, open_files
from nodeproxy.io.reactor import LAG_BOUNDS_S, Reactor
from nodeproxy.io.task import CLEANUP_S
from nodeproxy.mesh.callers import Callers
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.reports import (
    Introduction,
    ProcessCounters,
    ProcessReport,
    ProcessState,
)
from nodeproxy.mesh.trust import Trust
from nodeproxy.mesh.wire import Update, keys_of
from nodeproxy.process.sockets import Sockets
from nodeproxy.protocol.forwarded import NO_VIA, VIA, Adder
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.message import Request
from nodeproxy.setting_text import split_address, split_sources
from nodeproxy.settings import Settings, own_addresses, own_ranges, ready_file
from nodeproxy.table.builder import Live, Makers
from nodeproxy.table.table import Route
from nodeproxy.telemetry.accesslog import AccessLines
from nodeproxy.telemetry.stats import RouteStats, WorkerStats
from nodeproxy.upstream.cluster import ClusterContext
from nodeproxy.upstream.clusters import Clusters
from nodeproxy.upstream.context import UpstreamContext
from nodeproxy.upstream.idle import IdleConnections
from nodeproxy.upstream.on_demand import Changes
from nodeproxy.wiring.answers import Answers
from nodeproxy.wiring.service_ports import ServicePorts
from nodeproxy.wiring.upstreams import Upstreams

FLUSH_EVERY_S = 0.1
RETRY_S = 1.0  # before another attempt to open sockets
ADMIN_IDLE_S = 120.0  # twice the longest usual scrape interval
IDLE_GRACE_S = 1.0  # of draining, before idle connections are closed
REVIEW_EVERY_S = 30.0  # interval of ending unused subscriptions
T = TypeVar("T")
log = logging.getLogger(__name__)


class Worker:
    """One process that moves bytes: built from settings, run until SIGTERM."""

    def __init__(self, settings: Settings, socket_path: str, sockets: Sockets, number: int = 0) -> None:
        self._settings = settings
        self._number = number
        self._socket_path = socket_path
        self._sockets = sockets
        self._ready_file = ready_file(Path(socket_path).parent)
        self._main: Listener | None = None
        self._has_table = trio.Event()
        self._dns_scope = trio.CancelScope()
        self._random = random.Random()
        self._stats = WorkerStats()
        self._reactor = Reactor(on_error=self._bug)
        self._limits = HeadLimits(settings.head_limit_bytes, settings.head_limit_fields, settings.line_limit_bytes)
        self._draining = False
        self._capacity = Capacity(open_files(), settings.downstream_connections_limit)
        idle = IdleConnections(self._capacity.shared, self._stats.shortages)
        upstream = UpstreamContext(self._reactor, idle, self._limits)
        self._clusters = Clusters(ClusterContext(upstream, own_addresses(settings), self._random.random))
        self._changes = Changes(self._reactor)
        upstreams = Upstreams(
            self._clusters, self._reactor, self._changes, lambda key: self._live.subscriptions.want(key)
        )
        self._live = Live(
            Makers(upstreams.make, upstreams.install, self._clusters.remove, self._tools),
            self._reactor.clock,
            settings.default_namespace,
            Callers(tuple(map(ip_network, own_ranges(settings))), Trust(*split_sources(settings.trust_forwarded))),
            settings.cluster_domain,
        )
        self._ports = ServicePorts(self._live, self._clusters, self._reactor.clock)
        self._answers = Answers(self._live, self._clusters, self._reactor.clock)
        self._endpoints_waiter = EndpointsWaiter(self._live)
        self._connections = Connections(self._reactor, self._capacity.clients_most(0), self._bug, self._stats)
        self._admin_connections = Connections(self._reactor, ADMIN_MOST, self._bug, self._stats)
        self._lines = AccessLines(settings.access_log, self._stats, time.time)
        self._context = self._clients_context()
        self._virtual = VirtualListeners(
            self._connections, self._context, sockets.held, lambda: self._live.table, self._capacity
        )
        self._admin = self._admin_context()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain."""
        if self._connections.most < self._settings.downstream_connections_limit:
            few = {"open_files": self._capacity.files, "downstream_connections_limit": self._connections.most}
            log.warning("fewer downstream connections than configured: the limit of open files is low", extra=few)
        admin = Listener(self._admin_connections, self._reactor, self._sockets.admin, self._admin)
        gc.collect()
        gc.freeze()  # objects of start-up are permanent; exclude them from collection
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._reactor.run)
            nursery.start_soon(
                subscribe,
                self._socket_path,
                Receivers(self._install, self._refused, self._answers),
                self._live.subscriptions,
                self._reported(),
            )
            nursery.start_soon(
                probe_all, self._ports.probe_targets, Probing(self._random.random, self._stats.shortages)
            )
            nursery.start_soon(self._flush_for_ever)
            nursery.start_soon(self._review_demand)
            nursery.start_soon(self._open)
            with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _number in signals:
                    break
            await self._drain()
            admin.close()
            nursery.cancel_scope.cancel()
        self._lines.flush()

    async def _open(self) -> None:
        """Serve once there is a table. Until then the previous proxy serves, or connections are refused."""
        await self._has_table.wait()
        if self._draining:
            return
        self._main = Listener(self._connections, self._reactor, self._sockets.main, self._context)
        dns = await self._retried(self._dns_sockets) if self._settings.dns else None
        await self._retried(self._ready_file.touch)
        if dns:
            knowledge = Knowledge(
                lambda: self._live.table, self._endpoints_waiter.want, self._endpoints_waiter.until_subscribed
            )
            with self._dns_scope:
                await serve_dns(*dns, knowledge)

    def _dns_sockets(self) -> tuple[socket.socket, socket.socket]:
        address, held = split_address(self._settings.dns), self._sockets.held
        datagrams = held.opened(("dns-udp", *address), lambda: bound_datagrams(address))
        stream = held.opened(("dns-tcp", *address), lambda: bound(address))
        held.flush()
        return datagrams, stream

    async def _retried(self, opening: Callable[[], T]) -> T:
        """The result of `opening`, retried until it succeeds: a worker does not end for lack of a descriptor."""
        logged = False
        while True:
            try:
                return opening()
            except OSError as error:
                if not logged:
                    log.warning("cannot open sockets or files; retrying", extra={"error": str(error)})
                logged = True
            await trio.sleep(RETRY_S)

    async def _drain(self) -> None:
        """Stop accepting, finish requests in flight, close idle connections.

        A client that sends another request within IDLE_GRACE_S gets `Connection: close` with the response; only
        connections that stay idle are closed without a response.
        """
        self._draining = True
        self._connections.drain()
        self._admin_connections.drain()
        self._ready_file.unlink(missing_ok=True)
        hang_up_at = self._reactor.clock() + IDLE_GRACE_S
        self._dns_scope.cancel()
        if self._main is not None:
            self._main.close()
        self._sockets.main.close()
        self._virtual.close()
        log.info("draining", extra={"connections": len(self._connections.open)})
        with trio.move_on_after(self._settings.drain_timeout_s):
            while self._connections.open:
                if self._reactor.clock() >= hang_up_at:
                    self._connections.hang_up()
                await trio.sleep(0.02)
            return
        log.warning("drain limit reached", extra={"connections": len(self._connections.open)})
        self._connections.cancel()
        with trio.move_on_after(CLEANUP_S):  # tunnels are logged when they end
            while self._connections.open:  # noqa: ASYNC110  their tasks are the reactor's, not trio's
                await trio.sleep(0.02)

    def _clients_context(self) -> ConnectionContext:
        """The context of the main listener, whose clients address services by name."""
        settings = self._settings
        return ConnectionContext(
            reactor=self._reactor,
            match=lambda head, namespace: self._live.table.match(head, namespace),
            callers=self._live.callers,
            adder=Adder(self._random, settings.trace_sample_ratio, VIA if settings.via == "both" else NO_VIA),
            stats=self._stats,
            limits=self._limits,
            head_timeout_s=settings.head_timeout_s,
            idle_timeout_s=settings.downstream_idle_timeout_s,
            half_close_is_gone=settings.abort_on_half_close,
            trusts_forwarded=bool(settings.trust_forwarded),
            observer=None if settings.access_log == "off" else AccessLog(self._lines.add),
            via=NO_VIA if settings.via == "none" else VIA,
            understands_connect=True,
        )

    def _admin_context(self) -> ConnectionContext:
        """The context of the admin listener, whose only service is the admin pages."""
        handler = Admin(split_address(self._settings.metrics), lambda: self._main is not None and not self._draining)
        service = Service(namespace="", name="admin", ports=(Port(number=0),))
        route = Route(service, service.ports[0], {}, handler, RouteStats())

        def match(_request: Request, _namespace: str) -> Route:
            return route

        idle_s = min(self._settings.downstream_idle_timeout_s, ADMIN_IDLE_S)
        return replace(self._context, match=match, observer=None, understands_connect=False, idle_timeout_s=idle_s)

    def _install(self, update: Update) -> None:
        changed = self._live.install(update)
        if self._live.ready:
            self._has_table.set()
        self._stats.updates += 1
        if changed:
            self._changes.notify()
            self._endpoints_waiter.notify()
            if self._settings.virtual_addresses:
                self._virtual.follow(*keys_of(update))

    def _refused(self) -> None:
        self._stats.updates_refused += 1

    async def _review_demand(self) -> None:
        while True:
            await trio.sleep(REVIEW_EVERY_S)
            self._live.subscriptions.review(self._ports.usage)

    def _tools(self, stats: RouteStats, decisions: Decisions) -> Tools:
        return Tools(
            self._reactor.clock, self._random.random, self._reactor.sleep, stats, decisions, self._settings.workers
        )

    def _reported(self) -> Sources:
        return Sources(
            Introduction(self._number, os.getpid()),
            self._stats.unrouted,
            lambda: self._live.table.routes,
            self._ports.numbers,
            self._process_report,
        )

    def _process_report(self) -> ProcessReport:
        stats = self._stats
        turns = {f"{bound:g}": n for bound, n in zip(LAG_BOUNDS_S, self._reactor.lag, strict=False)}
        counters = ProcessCounters(
            accepted=stats.accepted,
            evicted=stats.closed_for_room,
            connects=stats.connects,
            bugs=stats.bugs,
            updates=stats.updates,
            updates_rejected=stats.updates_refused,
            log_lines_dropped=stats.log_lines_lost,
            shortages=stats.shortages,
            slow_turns=turns,
        )
        state = ProcessState(
            connections=stats.connections,
            connections_limit=self._connections.most,
            open_files_limit=self._capacity.files,
            listeners_missing=self._virtual.unserved,
            table_age_s=self._table_age_s(),
        )
        return ProcessReport(counters, state)

    def _table_age_s(self) -> float | None:
        confirmed_at = self._live.confirmed_at
        return None if confirmed_at is None else self._reactor.clock() - confirmed_at

    async def _flush_for_ever(self) -> None:
        while self._settings.access_log != "off":
            await trio.sleep(FLUSH_EVERY_S)
            await trio.to_thread.run_sync(self._lines.flush)

    def _bug(self, error: BaseException) -> None:
        log.error("unexpected error; its connection is closed", exc_info=error)
