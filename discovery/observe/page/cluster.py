"""/api/cluster: all nodes in short, where the setting page_cluster is on; /summary: this node, for the others.

A node asks the others through the API server (`pods/proxy`), each within a short time; a node that does not answer is
in the list with the reason.
"""

from collections.abc import Callable
from time import monotonic
from typing import Protocol

import anyio
import msgspec

from discovery.observe.page.events import NO_STORE
from discovery.observe.page.history import History
from discovery.observe.pages import JSON
from discovery.observe.server import Asked, Page
from discovery.sources.cluster.errors import ApiError
from discovery.workers.publish import Publisher
from discovery.workers.reports import state_of_all

PODS = "/api/v1/namespaces/nodeproxy/pods"  # as in manifests/base/daemonset.yaml, and so is the label
WHICH = {"labelSelector": "app=nodeproxy", "fieldSelector": "status.phase=Running", "limit": "1000"}
NODE_S = 3.0  # that a node may take
AT_ONCE = 16
FRESH_S = 5.0  # for how long an answer counts, however many readers ask
PATH = "summary"
OFF = b"the view of the cluster is off: set page_cluster, and add the component manifests/components/page-cluster\n"
STARTING = b"the API server has not been reached yet\n"


class NodeSummary(msgspec.Struct, frozen=True):
    """One node in short."""

    name: str
    services: int
    requests_per_s: float
    errors_per_s: float
    workers: int
    """Connected ones."""
    table_age_s: float | None


class NodeLine(msgspec.Struct, frozen=True):
    """One node in the list; without an answer, its numbers are null."""

    name: str
    reachable: bool
    error: str = ""
    services: int | None = None
    requests_per_s: float | None = None
    errors_per_s: float | None = None
    workers: int | None = None
    table_age_s: float | None = None


class NodesNow(msgspec.Struct, frozen=True):
    """All nodes with a running proxy, by name."""

    nodes: list[NodeLine]


class Reading(Protocol):
    """Reads from the API server."""

    async def read(self, path: str, query: dict[str, str]) -> bytes:
        """The body of the response to a GET. Raises ApiError."""
        ...


class _Metadata(msgspec.Struct):
    name: str
    deletionTimestamp: str = ""


class _Spec(msgspec.Struct):
    nodeName: str = ""


class _Pod(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec


class _Pods(msgspec.Struct):
    items: list[_Pod]


class SummaryPage:
    """/summary of this node, beside /metrics."""

    def __init__(self, publisher: Publisher, history: History, node: str) -> None:
        self._publisher = publisher
        self._history = history
        self._node = node

    async def __call__(self, _asked: Asked) -> Page:
        """The page, a `NodeSummary`."""
        return Page(200, msgspec.json.encode(self.now()), JSON, NO_STORE)

    def now(self) -> NodeSummary:
        """This node."""
        numbers = self._publisher.reports.numbers()
        return NodeSummary(
            self._node,
            len(self._publisher.services),
            round(self._history.requests_per_s, 2),
            round(self._history.errors_per_s, 2),
            self._publisher.workers,
            state_of_all(numbers).table_age_s,
        )


class ClusterApi:
    """The page; one look at the nodes for all readers."""

    def __init__(self, own: SummaryPage, port: int, now: Callable[[], float] = monotonic) -> None:
        """`port` is that of /summary on every node."""
        self.api: Reading | None = None
        """None until the API server can be asked."""
        self._own = own
        self._port = port
        self._now = now
        self._turn = anyio.Lock()
        self._page: Page | None = None
        self._made_at = 0.0

    async def __call__(self, _asked: Asked) -> Page:
        """The page."""
        async with self._turn:
            if self._page is None or self._now() - self._made_at >= FRESH_S:
                if self.api is None:
                    return Page(503, STARTING)
                self._page, self._made_at = await self._looked(self.api), self._now()
            return self._page

    async def _looked(self, api: Reading) -> Page:
        try:
            with anyio.fail_after(NODE_S):
                found = msgspec.json.decode(await api.read(PODS, WHICH), type=_Pods)
        except (ApiError, TimeoutError, msgspec.DecodeError) as error:
            return Page(502, f"the pods of the proxy cannot be listed: {_why(error)}\n".encode(), lines=NO_STORE)
        # During an update two run on a node side by side; the newer one is last.
        pods = {each.spec.nodeName: each.metadata.name for each in found.items if not each.metadata.deletionTimestamp}
        own = self._own.now()
        lines = {own.name: _line(own)}
        room = anyio.CapacityLimiter(AT_ONCE)

        async def ask(node: str, pod: str) -> None:
            async with room:
                lines[node] = await self._asked(api, node, pod)

        async with anyio.create_task_group() as group:
            for node, pod in pods.items():
                if node != own.name:
                    group.start_soon(ask, node, pod)
        nodes = NodesNow([line for _, line in sorted(lines.items())])
        return Page(200, msgspec.json.encode(nodes), JSON, NO_STORE)

    async def _asked(self, api: Reading, node: str, pod: str) -> NodeLine:
        try:
            with anyio.fail_after(NODE_S):
                text = await api.read(f"{PODS}/{pod}:{self._port}/proxy/{PATH}", {})
            return _line(msgspec.json.decode(text, type=NodeSummary))
        except (ApiError, TimeoutError, msgspec.DecodeError) as error:
            return NodeLine(node, False, _why(error))


def _line(summary: NodeSummary) -> NodeLine:
    return NodeLine(
        summary.name,
        True,
        "",
        summary.services,
        summary.requests_per_s,
        summary.errors_per_s,
        summary.workers,
        summary.table_age_s,
    )


def _why(error: Exception) -> str:
    return f"no answer within {NODE_S:g} s" if isinstance(error, TimeoutError) else str(error)


async def off(_asked: Asked) -> Page:
    """The page where it is off."""
    return Page(404, OFF, lines=NO_STORE)
