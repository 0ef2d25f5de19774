"""All addresses of the page, and the tasks behind them."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import anyio

from discovery.observe.page.cluster import PATH, ClusterApi, SummaryPage, off
from discovery.observe.page.edges import MapApi
from discovery.observe.page.errors import ErrorsApi, words
from discovery.observe.page.history import History
from discovery.observe.page.live import Live
from discovery.observe.page.node import NodeApi, ServiceApi
from discovery.observe.page.services import ServicesApi
from discovery.observe.page.static_files import static_files
from discovery.observe.page.tapped import TapApi
from discovery.observe.page.visitors import LINES, Visitors
from discovery.observe.server import Answer, Rules, serve_pages
from discovery.observe.tap import TapPage
from discovery.sources.cluster.access import Access, NoAccess
from discovery.workers.publish import Publisher
from nodeproxy.mesh.build import this_build

CONNECTIONS_MOST = 48  # a browser opens six at a time, and keeps one for each stream
STREAMS_MOST = 24  # four of each open page


@dataclass(frozen=True, slots=True)
class Own:
    """What the page says about this node, and where it is."""

    address: tuple[str, int]
    hosts: tuple[str, ...] = ()
    """Names beside those of loopback in the field Host."""
    node: str = ""
    cluster: Access | None = None
    """How to ask the other nodes; None: the view of the cluster is off."""
    metrics_port: int = 0


class Site:
    """The page of this node."""

    def __init__(
        self,
        own: Own,
        publisher: Publisher,
        command_line: Mapping[bytes, Answer],
    ) -> None:
        """`command_line` are the pages of the command line."""
        self._own = own
        self.history = history = History(publisher.reports)
        self.live = live = Live(publisher.reports, history)
        summary = SummaryPage(publisher, history, own.node)
        self._cluster = ClusterApi(summary, own.metrics_port)
        tap = command_line[b"/tap"]
        assert isinstance(tap, TapPage)
        build = this_build()
        self.pages: Mapping[bytes, Answer] = {
            **static_files(),
            b"/api/node": NodeApi(publisher, own.node, build, cluster=own.cluster is not None),
            b"/api/services": ServicesApi(publisher, history, live),
            b"/api/map": MapApi(publisher.reports, live),
            b"/api/service": ServiceApi(
                publisher, (command_line[b"/endpoints"], command_line[b"/explain"], command_line[b"/routes"])
            ),
            b"/api/errors": ErrorsApi(publisher.failures),
            b"/api/tap": TapApi(tap),
            b"/api/words": words,
            b"/api/cluster": off if own.cluster is None else self._cluster,
        }
        self.for_others: Mapping[bytes, Answer] = {} if own.cluster is None else {f"/{PATH}".encode(): summary}
        """What this node answers to the others, beside /metrics."""

    @property
    def rules(self) -> Rules:
        """Who may read the page, and how many at once."""
        return Rules(Visitors(self._own.hosts).refusal, LINES, CONNECTIONS_MOST, STREAMS_MOST)

    @property
    def readers(self) -> int:
        """How many streams show rates now."""
        return self.live.feed.readers

    async def run(self) -> None:
        """Serves the page until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.repeat, anyio.sleep)
            if self._own.cluster is not None:
                group.start_soon(self._reach, self._own.cluster)
            await serve_pages(self._own.address, self.pages, self.rules)

    async def repeat(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Keeps the history, and the rates while there are readers, until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.history.run, sleep)
            group.start_soon(self.live.run, sleep)

    async def _reach(self, access: Access) -> None:
        from discovery.sources.cluster.api import connected  # costs 45 MiB where the source is a folder

        with suppress(NoAccess):  # the source fails for the same reason, and says so
            async with connected(access) as api:
                self._cluster.api = api
                await anyio.sleep_forever()
