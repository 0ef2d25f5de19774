"""The pages of a node."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import anyio
import msgspec
from anyio import to_thread
from prometheus_client import CollectorRegistry, generate_latest

from discovery.observe.metrics import NodeCollector, ports_of
from discovery.observe.server import Page
from discovery.workers.reports import Numbers, Reports, state_of_all
from nodeproxy.mesh.node_view import NodeStatus, PortView, WorkerView
from nodeproxy.mesh.reports import UNROUTED
from nodeproxy.mesh.wire import PolicyMap, Watched

JSON = "application/json"
METRICS = "text/plain; version=0.0.4; charset=utf-8"


class MetricsPage:
    """/metrics: rendered in a thread, so that updates go on; one at a time."""

    def __init__(
        self,
        reports: Reports,
        policy_maps: Callable[[], Sequence[PolicyMap]],
        limit_servers: Callable[[], Mapping[str, bool]] = dict,
    ) -> None:
        self._reports = reports
        self._policy_maps = policy_maps
        self._limit_servers = limit_servers
        self._turn = anyio.Lock()

    async def __call__(self) -> Page:
        """The page; 503 while a worker has not reported after a start, because its counters would be missing."""
        if not self._reports.complete:
            return Page(503, b"not every worker has reported since the start of discovery\n")
        async with self._turn:
            numbers, maps, servers = self._reports.numbers(), self._policy_maps(), self._limit_servers()
            return Page(200, await to_thread.run_sync(text, numbers, maps, servers, abandon_on_cancel=True), METRICS)


def text(
    numbers: Numbers, policy_maps: Sequence[PolicyMap], limit_servers: Mapping[str, bool] = MappingProxyType({})
) -> bytes:
    """The text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(NodeCollector(numbers, policy_maps, limit_servers))
    return generate_latest(registry)


class StatusPage:
    """/status: the workers and the watches, as JSON."""

    def __init__(self, reports: Reports, watches: Callable[[], Sequence[Watched]]) -> None:
        self._reports = reports
        self._watches = watches

    async def __call__(self) -> Page:
        """The page."""
        numbers = self._reports.numbers()
        state = state_of_all(numbers)
        workers = tuple(
            WorkerView(
                life.number,
                life.pid,
                life.connection is not None,
                None if life.process is None else numbers.now - life.heard_at,
                0 if life.process is None else life.process.state.connections,
            )
            for life in sorted(numbers.workers, key=lambda life: life.number)
        )
        status = NodeStatus(workers, state.table_age_s, tuple(self._watches()))
        return Page(200, msgspec.json.encode(status) + b"\n", JSON)


class ServicesPage:
    """/services: the service ports that the workers report, as JSON; made in a thread, as /metrics."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._turn = anyio.Lock()

    async def __call__(self) -> Page:
        """The page."""
        async with self._turn:
            numbers = self._reports.numbers()
            return Page(200, await to_thread.run_sync(services, numbers, abandon_on_cancel=True), JSON)


def services(numbers: Numbers) -> bytes:
    """The service ports, by name, as a JSON array of `PortView`."""
    views = [
        PortView(
            *port.key,
            port.state.endpoints,
            port.state.usable,
            port.state.active,
            sum(number for _, number in port.counters.requests),
            sum(number for kind, number in port.counters.requests if kind.status >= 500),
            port.counters.retries,
        )
        for port in sorted(ports_of(numbers), key=lambda port: port.key)
        if port.key != UNROUTED
    ]
    return msgspec.json.encode(views) + b"\n"
