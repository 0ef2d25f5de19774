"""The life of a worker: it opens its listeners once it has a table, serves, and drains at SIGTERM."""

import gc
import logging
import os
import signal
import time
from pathlib import Path

import trio

from nodeproxy.control.admin import Admin
from nodeproxy.control.probes import Probing, probe_all
from nodeproxy.control.samples import SampleQueue
from nodeproxy.control.subscriber import Receivers, end_unused, subscribe
from nodeproxy.control.taps import Taps
from nodeproxy.dns.on_demand import EndpointsWaiter
from nodeproxy.dns.server import Knowledge, serve_dns
from nodeproxy.downstream.connections import Connections
from nodeproxy.downstream.listener import Listener
from nodeproxy.downstream.virtual_listeners import VirtualListeners
from nodeproxy.exchange.access_log import AccessLog
from nodeproxy.exchange.audit_log import AuditLog
from nodeproxy.exchange.exchange import Observer
from nodeproxy.exchange.sampling import Sampler
from nodeproxy.io.capacity import ADMIN_MOST
from nodeproxy.limits.memory import Memory
from nodeproxy.mesh.reports import Introduction
from nodeproxy.mesh.wire import Update, keys_of
from nodeproxy.policies.registry import BUILT_IN, Registry
from nodeproxy.process.drain import drain
from nodeproxy.process.idle_memory import give_back_for_ever
from nodeproxy.process.sockets import Sockets, retried
from nodeproxy.setting_text import split_address
from nodeproxy.settings import Settings, ready_file
from nodeproxy.telemetry.accesslog import AccessLines, flush_for_ever
from nodeproxy.wiring.answers import Answers
from nodeproxy.wiring.configuration import client_settings_of, data_plane_of, tracing_of
from nodeproxy.wiring.contexts import ACCEPTS, admin_context, by_name_context, clients_context, tls_context
from nodeproxy.wiring.process_report import report_sources

# Objects between two collections. Requests make no cycles (tests/io), so a collection only walks over those under way:
# with 32 streams at a time, the default of 700 cost a tenth of the CPU of a request.
LAST_LINES_S = 1.0  # for the last lines of the access log, should stdout block: less than a supervisor waits
GARBAGE_OBJECTS = 20_000
log = logging.getLogger(__name__)


class Worker:
    """One process that moves bytes: built from settings, run until SIGTERM."""

    def __init__(
        self,
        settings: Settings,
        socket_path: str,
        sockets: Sockets,
        limits: Memory,
        number: int = 0,
        registry: Registry = BUILT_IN,
    ) -> None:
        self._settings = settings
        self._number = number
        self._socket_path = socket_path
        self._sockets = sockets
        self._ready_file = ready_file(Path(socket_path).parent)
        self._main: Listener | None = None
        self._tls: Listener | None = None
        self._has_table = trio.Event()
        self._dns_scope = trio.CancelScope()
        self._draining = False
        self._plane = plane = data_plane_of(settings, limits, _log_bug, registry)
        self._reactor = plane.reactor
        self._lines = AccessLines(settings.access_log, plane.stats, time.time)
        plane.log_line = self._lines.add
        observer: Observer | None = None if settings.access_log == "off" else AccessLog(self._lines.add)
        if settings.audit_log == "json":
            observer = AuditLog(lambda line: self._lines.add(line, "json"), plane.reactor.clock, observer)
        self._context = clients_context(plane, client_settings_of(settings), observer)
        self._samples = SampleQueue(plane.stats)
        if settings.otlp_endpoint:
            plane.recorder.trace(tracing_of(settings, plane), Sampler(self._samples.add, time.time))
        self._virtual = VirtualListeners(
            plane.connections, self._context, sockets.held, lambda: plane.live.table, plane.capacity, ACCEPTS
        )
        self._admin_connections = Connections(self._reactor, ADMIN_MOST, _log_bug, plane.stats)
        self._endpoints_waiter = EndpointsWaiter(plane.live)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain."""
        plane, most = self._plane, self._plane.connections.most
        if most < self._settings.downstream_connections_limit:
            few = {"open_files": plane.capacity.files, "downstream_connections_limit": most}
            log.warning("fewer downstream connections than configured: the limit of open files is low", extra=few)
        admin = self._admin_listener()
        gc.collect()
        gc.freeze()  # objects of start-up are permanent; exclude them from collection
        gc.set_threshold(GARBAGE_OBJECTS)
        reported = report_sources(plane, Introduction(self._number, os.getpid()), lambda: self._virtual.unserved)
        probing = Probing(plane.random.random, plane.stats.shortages)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._reactor.run)
            receivers = Receivers(
                self._install,
                plane.refused,
                Answers(plane.live, plane.clusters, self._reactor.clock),
                Taps(plane.recorder, self._samples, self._reactor.clock, time.time),
                plane.failures,
            )
            nursery.start_soon(
                subscribe, self._socket_path, receivers, plane.live.subscriptions, reported, self._samples
            )
            nursery.start_soon(probe_all, plane.ports.probe_targets, probing)
            nursery.start_soon(end_unused, plane.live.subscriptions, plane.ports.usage)
            nursery.start_soon(give_back_for_ever)
            nursery.start_soon(flush_for_ever, self._lines)
            nursery.start_soon(self._open)
            with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _number in signals:
                    break
            await self._drain()
            admin.close()
            nursery.cancel_scope.cancel()
        with trio.move_on_after(LAST_LINES_S):
            await self._lines.flush_in_thread()

    async def _open(self) -> None:
        """Serve once there is a table. Until then the previous proxy serves, or connections are refused."""
        await self._has_table.wait()
        if self._draining:
            return
        self._listen()
        address = self._settings.dns
        dns = await retried(lambda: self._sockets.dns(split_address(address))) if address else None
        await retried(self._ready_file.touch)
        if dns:
            waiter = self._endpoints_waiter
            with self._dns_scope:
                await serve_dns(*dns, Knowledge(lambda: self._plane.live.table, waiter.want, waiter.until_subscribed))

    def _listen(self) -> None:
        plane, settings, sockets = self._plane, self._settings, self._sockets
        context = by_name_context(plane, self._context, split_address(settings.listen)[1])
        self._main = Listener(plane.connections, self._reactor, sockets.main, context)
        if sockets.tls is not None:
            context = tls_context(plane, self._context, split_address(settings.listen_tls)[1])
            self._tls = Listener(plane.connections, self._reactor, sockets.tls, context)

    async def _drain(self) -> None:
        """Stop accepting, then end the connections; see `drain`."""
        self._draining = True
        self._plane.connections.drain()
        self._admin_connections.drain()
        self._ready_file.unlink(missing_ok=True)
        self._dns_scope.cancel()
        for listener in (self._main, self._tls):
            if listener is not None:
                listener.close()
        self._sockets.close_for_clients()
        self._virtual.close()
        await drain(self._plane.connections, self._plane.sessions, self._settings.drain_timeout_s)

    def _admin_listener(self) -> Listener:
        pages = Admin(split_address(self._settings.metrics), lambda: self._main is not None and not self._draining)
        context = admin_context(self._context, pages)
        return Listener(self._admin_connections, self._reactor, self._sockets.admin, context)

    def _install(self, update: Update) -> None:
        changed = self._plane.install(update)
        if self._plane.live.ready:
            self._has_table.set()
        if changed:
            self._endpoints_waiter.notify()
            if self._settings.virtual_addresses:
                self._virtual.follow(*keys_of(update))


def _log_bug(error: BaseException) -> None:
    log.error("unexpected error; its connection is closed", exc_info=error)
