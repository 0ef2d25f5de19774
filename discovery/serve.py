"""The running process: creates source, catalogue and publisher, and connects them."""

import logging
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskStatus

from discovery.cluster_limits.lessor import ClusterLimits
from discovery.cluster_limits.server import LimitServer
from discovery.intake import Intake
from discovery.log import LogFormat, configure, log_event
from discovery.observe.diagnosis.page import DiagnosePage
from discovery.observe.page.site import Own, Site
from discovery.observe.pages import MetricsPage, ServicesPage, StatusPage
from discovery.observe.routes import RoutesPage
from discovery.observe.server import Pages, serve_pages
from discovery.observe.service_pages import EndpointsPage, ExplainPage
from discovery.observe.tap import TapPage
from discovery.observe.traces.queue import SpanCounters, SpanQueue
from discovery.services.catalogue import Catalogue
from discovery.settings import Settings
from discovery.sources.cluster.access import Access, NoAccess
from discovery.sources.external.foreign_addresses import refusal
from discovery.sources.external.names import ExternalNames, Found
from discovery.sources.source import Source
from discovery.workers.last_good import LastGood
from discovery.workers.publish import Publisher
from discovery.workers.reports import Reports
from nodeproxy.limits.buckets import Buckets
from nodeproxy.limits.memory import Memory

if TYPE_CHECKING:
    from discovery.observe.traces.exporter import Exporter

EOF_READ_BYTES = 4096  # the bytes are dropped; only the end of the file counts
# While a thread makes a page, the event loop waits up to this long for the interpreter after a system call. Twelve of
# them, about as many as a question costs, took 18 to 109 ms (p99, pages of 2,000 services) with the default of 5 ms,
# and take 6 to 12 ms with this.
SWITCH_S = 0.0005


def run(settings: Settings, log_format: LogFormat) -> int:
    """Be a discovery process with these settings; returns its exit status."""
    configure(log_format)
    sys.setswitchinterval(SWITCH_S)
    return anyio.run(serve, settings, backend="asyncio")


async def serve(settings: Settings, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> int:
    """Serves until SIGTERM, SIGINT or the end of `ends_with`; returns the exit status."""
    wanted = _Subscribed()
    reports = Reports(settings.workers)
    publisher = Publisher(wanted=wanted if settings.scope.on_demand else None, reports=reports)
    last_good = LastGood(settings.state, anyio.sleep) if settings.state is not None else None
    catalogue, limits = Catalogue(settings.scope), _cluster_limits(settings)
    spans = SpanCounters()
    intake = Intake(catalogue, publisher, last_good, limits)
    async with anyio.create_task_group() as group:
        await group.start(_end_on_signal, group.cancel_scope)
        if settings.ends_with is not None:
            group.start_soon(_end_at_eof, settings.ends_with, group.cancel_scope)
        try:
            await group.start(publisher.serve, str(settings.socket))
        except OSError as error:
            log_event("not serving", logging.ERROR, socket=settings.socket, reason=error.strerror or str(error))
            group.cancel_scope.cancel()
            return 1
        pages = _command_line(settings, publisher, catalogue)
        site = None if settings.page is None else Site(_own(settings, settings.page), publisher, pages)
        if settings.metrics is not None:
            page = MetricsPage(publisher, lambda: limits.up if limits is not None else {}, spans, settings.buckets)
            for_others: Pages = {} if site is None else site.for_others
            for_metrics: Pages = {b"/metrics": page, **for_others}
            group.start_soon(serve_pages, settings.metrics, for_metrics)
        if settings.control is not None:
            group.start_soon(serve_pages, settings.control, pages)
        if site is not None:
            group.start_soon(site.run)
        if last_good is not None:
            group.start_soon(last_good.run)
            if (before := last_good.load()) is not None:
                catalogue.rollouts.restore(before.services)
                if limits is not None:
                    limits.follow({service.key: service for service in before.services})
                publisher.restore(before)
        if limits is not None:
            group.start_soon(limits.run)
        if settings.otlp_endpoint:
            queue = SpanQueue(spans)
            publisher.sample_takers.append(queue.add)
            group.start_soon(_exporter(settings, queue).run)
        group.start_soon(intake.run_rollouts, anyio.sleep)
        task_status.started()
        log_event("serving", socket=settings.socket, source=settings.source)
        try:
            async with _opened(settings, wanted, intake) as source:
                await _with_external_names(source, settings).run(intake.take)
        except NoAccess as error:
            log_event("no access to the API server", logging.ERROR, reason=error)
            group.cancel_scope.cancel()
            return 1
    log_event("ended")
    return 0


def _command_line(settings: Settings, publisher: Publisher, catalogue: Catalogue) -> Pages:
    return {
        b"/status": StatusPage(publisher),
        b"/services": ServicesPage(publisher),
        b"/endpoints": EndpointsPage(publisher),
        b"/explain": ExplainPage(publisher, catalogue),
        b"/routes": RoutesPage(publisher, settings.scope.registry),
        b"/tap": TapPage(publisher),
        b"/diagnose": DiagnosePage(publisher, catalogue),
    }


def _own(settings: Settings, address: tuple[str, int]) -> Own:
    source = settings.source
    return Own(
        address,
        settings.page_hosts,
        settings.scope.place.node,
        source if settings.page_cluster and isinstance(source, Access) else None,
        0 if settings.metrics is None else settings.metrics[1],
    )


@asynccontextmanager
async def _opened(settings: Settings, wanted: "_Subscribed", intake: "Intake") -> AsyncIterator[Source]:
    if isinstance(settings.source, Path):
        from discovery.sources.folder.files import Files
        from discovery.sources.folder.folder import Folder

        yield Files(Folder(settings.source, settings.scope.policy_map), str(settings.source))
        return
    from discovery.sources.cluster.api import connected
    from discovery.sources.cluster.events import Events
    from discovery.sources.cluster.source import Cluster, Plan
    from discovery.sources.cluster.watch import World

    world = World(anyio.sleep, time.monotonic, random.random)
    plan = Plan(settings.scope.policy_map, settings.scope.place.node, settings.scope.on_demand)
    async with connected(settings.source) as api:
        events = Events(api, world, time.time)
        cluster = Cluster(api, plan, world, beside=events.run)
        wanted.pass_on(cluster.want)
        intake.announce = events
        intake.request_pods(cluster.want_pods)
        yield cluster


def _with_external_names(source: Source, settings: Settings) -> Source:
    scope = settings.scope
    ranges = (scope.mesh_range, scope.headless_range)
    refused = partial(refusal, own_ranges=ranges, loopback_allowed=isinstance(settings.source, Path))

    async def lookup(name: str) -> Found:
        from discovery.sources.external.dns_lookup import look_up  # costs 7 MiB, and most meshes have no such service

        return await look_up(name, settings.resolver)

    return ExternalNames(source, lookup, refused, anyio.sleep, on_demand=scope.on_demand)


def _cluster_limits(settings: Settings) -> ClusterLimits | None:
    if settings.limits is None:
        return None
    node = settings.scope.place.node or token_hex(8)

    def connect(url: str) -> LimitServer:
        from discovery.cluster_limits.redis_server import RedisServer  # costs 7 MiB, and most meshes have none

        return RedisServer(url, node, settings.limit_password_file)

    return ClusterLimits(Buckets(Memory(settings.limits)), connect, time.monotonic)


def _exporter(settings: Settings, queue: SpanQueue) -> "Exporter":
    # Loads httpcore and protobuf, 4 MiB that a node without traces saves.
    from discovery.observe.traces.collector import Collector
    from discovery.observe.traces.exporter import Exporter, World
    from discovery.observe.traces.resource import resource_of

    collector = Collector(f"{settings.otlp_endpoint}/v1/traces", settings.otlp_headers_file)
    world = World(anyio.sleep, time.monotonic, random.random)
    return Exporter(queue, collector, resource_of(settings.scope.place.node), world)


class _Subscribed:
    """The workers' subscriptions, stored until there is a source to pass them to."""

    def __init__(self) -> None:
        self._keys: frozenset[str] = frozenset()
        self._report: Callable[[frozenset[str]], None] | None = None

    def __call__(self, keys: frozenset[str]) -> None:
        self._keys = keys
        if self._report is not None:
            self._report(keys)

    def pass_on(self, report: Callable[[frozenset[str]], None]) -> None:
        """Passes the subscriptions to `report`, now and at each change."""
        self._report = report
        report(self._keys)


async def _end_on_signal(
    scope: anyio.CancelScope, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:
        task_status.started()
        async for number in received:
            log_event("ending", signal=signal.Signals(number).name)
            scope.cancel()
            return


async def _end_at_eof(descriptor: int, scope: anyio.CancelScope) -> None:
    """Ends this process when the parent ends, which alone holds the other end of the pipe."""
    while True:
        with suppress(PermissionError):  # a file or /dev/null is always readable, so waiting for it is not possible
            await anyio.wait_readable(descriptor)
        if not os.read(descriptor, EOF_READ_BYTES):
            log_event("ending", reason="the input has ended")
            scope.cancel()
            return
