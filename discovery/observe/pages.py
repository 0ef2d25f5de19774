"""The pages of a node."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from time import time

import anyio
import msgspec
from anyio import to_thread

from discovery.observe.metrics import Detail, NodeMetrics
from discovery.observe.ports import Port, ports_of
from discovery.observe.server import Asked, Page
from discovery.observe.traces.queue import SpanCounters
from discovery.observe.usage import usage_of
from discovery.observe.view import Source, View
from discovery.rollouts.rollouts import described
from discovery.workers.publish import Publisher
from discovery.workers.reports import Life, Numbers, state_of_all
from nodeproxy.mesh.build import this_build
from nodeproxy.mesh.model import Port as ModelPort
from nodeproxy.mesh.model import Service
from nodeproxy.mesh.node_view import NodeStatus, PortView, RolloutView, SubscriptionView, WorkerView
from nodeproxy.mesh.questions import AnswerTo, CountersNow, SubscriptionAge, Subscriptions, SubscriptionsNow
from nodeproxy.mesh.reports import UNROUTED, PortCounters, PortKey, PortState

JSON = "application/json"
METRICS = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text"


class MetricsPage:
    """/metrics: rendered in a thread, so that updates go on; one at a time."""

    def __init__(
        self,
        publisher: Publisher,
        limit_servers: Callable[[], Mapping[str, bool]] = dict,
        spans: SpanCounters | None = None,
        buckets: Detail = "coarse",
    ) -> None:
        self._publisher = publisher
        self._reports = publisher.reports
        self._limit_servers = limit_servers
        self._spans = spans or SpanCounters()
        self._metrics = NodeMetrics(buckets)
        self._build = this_build()
        self._turn = anyio.Lock()

    async def __call__(self, asked: Asked) -> Page:
        """The page; 503 while a worker has not reported after a start, because its counters would be missing."""
        if not self._reports.complete:
            return Page(503, b"not every worker has reported since the start of discovery\n")
        openmetrics = OPENMETRICS in asked.accept
        async with self._turn:
            render = partial(self._text, self._view(), openmetrics=openmetrics)
            body = await to_thread.run_sync(render)  # a thread left behind would render beside the next one
        return Page(200, body, f"{OPENMETRICS}; version=1.0.0; charset=utf-8" if openmetrics else METRICS)

    def _view(self) -> View:
        publisher = self._publisher
        services = publisher.services
        unsubscribed = sum(service.unsubscribed for service in services.values())
        source = Source(publisher.out_of_sync_s, len(services), unsubscribed, publisher.watch_counts)
        return View(
            self._reports.numbers(),
            publisher.policy_maps,
            self._limit_servers(),
            source,
            self._build,
            spans=self._spans,
        )

    def _text(self, view: View, *, openmetrics: bool) -> bytes:
        return self._metrics.text(replace(view, usage=usage_of(view.numbers.workers)), openmetrics=openmetrics)


class StatusPage:
    """/status: workers, watches, subscriptions and callers, as JSON. Asks the workers for their subscriptions."""

    def __init__(self, publisher: Publisher, wall: Callable[[], float] = time) -> None:
        """`wall` is Unix time in seconds."""
        self._publisher = publisher
        self._wall = wall

    async def __call__(self, _asked: Asked) -> Page:
        """The page."""
        status = await status_of(self._publisher, self._wall())
        return Page(200, msgspec.json.encode(status) + b"\n", JSON)


async def status_of(publisher: Publisher, wall_s: float) -> NodeStatus:
    """The status of the node; asks the workers for their subscriptions. `wall_s` is Unix time in seconds."""
    answered = await publisher.ask(SubscriptionsNow())
    numbers = publisher.reports.numbers()
    return NodeStatus(
        tuple(worker_view(life, numbers.now) for life in sorted(numbers.workers, key=lambda life: life.number)),
        state_of_all(numbers).table_age_s,
        publisher.watches,
        len(publisher.services),
        sum(service.unsubscribed for service in publisher.services.values()),
        publisher.restored,
        tuple(subscriptions(answered.answers)),
        publisher.callers,
        answered.silent,
        tuple(rollouts(publisher.services.values(), wall_s)),
    )


def rollouts(services: Iterable[Service], now: float) -> Iterator[RolloutView]:
    """The tables on trial, and those that were taken back."""
    for service in services:
        if service.trial is not None:
            yield RolloutView(service.key, described(service.trial), max(0.0, now - service.trial.began_at))


def worker_view(life: Life, now: float) -> WorkerView:
    """One worker as it has reported last."""
    if life.process is None:
        return WorkerView(life.number, life.pid, life.connection is not None, None, 0, 0)
    state = life.process.state
    age_s = now - life.heard_at
    return WorkerView(
        life.number,
        life.pid,
        life.connection is not None,
        age_s,
        state.connections,
        state.listeners_missing,
        state.udp_sessions,
    )


def subscriptions(answers: Mapping[int, AnswerTo]) -> Iterator[SubscriptionView]:
    """The subscriptions of all workers, by service."""
    found: dict[str, dict[int, SubscriptionAge]] = {}
    for worker, answer in sorted(answers.items()):
        for each in answer.subscriptions if isinstance(answer, Subscriptions) else ():
            found.setdefault(each.service, {})[worker] = each
    for key, ages in sorted(found.items()):
        since_s = max(age.since_s for age in ages.values())
        yield SubscriptionView(key, tuple(ages), since_s, min(age.unused_s for age in ages.values()))


class ServicesPage:
    """/services: the service ports that the workers report, as JSON; made in a thread, as /metrics.

    With `all` in its query, every port of the mesh. The numbers are those of now: it asks the workers for a report, and
    shows the last one of a worker that does not answer in time.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._turn = anyio.Lock()

    async def __call__(self, asked: Asked) -> Page:
        """The page."""
        async with self._turn:
            await self._publisher.ask(CountersNow())
            numbers, in_force = self._publisher.reports.numbers(), dict(self._publisher.services)
            render = partial(services, numbers, in_force, everything="all" in asked.query)
            return Page(200, await to_thread.run_sync(render, abandon_on_cancel=True), JSON)


def services(numbers: Numbers, in_force: Mapping[str, Service], *, everything: bool = False) -> bytes:
    """The service ports, by name, as a JSON array of `PortView`; with `everything`, also those of `in_force` alone."""
    reported = {port.key: port for port in ports_of(numbers) if port.key != UNROUTED}
    meant = {
        PortKey(each.namespace, each.name, port.key): (each, port) for each in in_force.values() for port in each.ports
    }
    keys = sorted({*reported, *meant} if everything else reported)
    found = [port_view(reported.get(key) or Port(key, PortCounters(), PortState()), meant.get(key)) for key in keys]
    return msgspec.json.encode(found) + b"\n"


def port_view(port: Port, meant: tuple[Service, ModelPort] | None) -> PortView:
    """One service port; `meant` is what the mesh has under its key."""
    counters, state = port.counters, port.state
    return PortView(
        *port.key,
        state.endpoints,
        state.usable,
        state.active,
        sum(number for _, number in counters.requests),
        sum(number for kind, number in counters.requests if kind.status >= 500),
        counters.retries,
        state.connections + state.udp_sessions,
        counters.durations,
        meant[1].protocol if meant is not None else "",
        meant[0].virtual_address if meant is not None else "",
        meant is None or not meant[0].unsubscribed,
    )
