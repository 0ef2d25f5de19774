"""The pages of a node."""

from collections.abc import Callable, Sequence

import anyio
from anyio import to_thread
from prometheus_client import CollectorRegistry, generate_latest

from discovery.observe.metrics import NodeCollector
from discovery.observe.server import Page
from discovery.workers.reports import Numbers, Reports
from nodeproxy.mesh.wire import PolicyMap

METRICS = "text/plain; version=0.0.4; charset=utf-8"


class MetricsPage:
    """/metrics: rendered in a thread, so that updates go on; one at a time."""

    def __init__(self, reports: Reports, policy_maps: Callable[[], Sequence[PolicyMap]]) -> None:
        self._reports = reports
        self._policy_maps = policy_maps
        self._turn = anyio.Lock()

    async def __call__(self) -> Page:
        """The page; 503 while a worker has not reported after a start, because its counters would be missing."""
        if not self._reports.complete:
            return Page(503, b"not every worker has reported since the start of discovery\n")
        async with self._turn:
            numbers, maps = self._reports.numbers(), self._policy_maps()
            return Page(200, await to_thread.run_sync(text, numbers, maps, abandon_on_cancel=True), METRICS)


def text(numbers: Numbers, policy_maps: Sequence[PolicyMap]) -> bytes:
    """The text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(NodeCollector(numbers, policy_maps))
    return generate_latest(registry)
