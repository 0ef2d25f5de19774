"""/api/node: what the node follows and why; /api/service: all about one service."""

from collections.abc import Callable
from dataclasses import replace
from time import time

import msgspec

from discovery.observe.page.events import NO_STORE
from discovery.observe.pages import JSON, rollouts, status_of
from discovery.observe.server import Answer, Asked, Page
from discovery.observe.streams import Stream
from discovery.workers.publish import Publisher
from nodeproxy.mesh.build import Build
from nodeproxy.mesh.names import named
from nodeproxy.mesh.node_view import NodeStatus, RolloutView

NULL = msgspec.Raw(b"null")


class NodeNow(NodeStatus, frozen=True, kw_only=True):
    """The status of the node, and which it is."""

    node: str
    build: str
    python: str
    time: float
    cluster: bool
    """Whether the page can show the other nodes."""


class NodeApi:
    """The page."""

    def __init__(self, publisher: Publisher, node: str, build: Build, *, cluster: bool = False) -> None:
        self._publisher = publisher
        self._node = node
        self._build = build
        self._cluster = cluster

    async def __call__(self, _asked: Asked) -> Page:
        """The page; asks the workers for their subscriptions."""
        now = time()
        status = msgspec.structs.asdict(await status_of(self._publisher, now))
        build, python, _ = self._build
        found = NodeNow(**status, node=self._node, build=build, python=python, time=now, cluster=self._cluster)
        return Page(200, msgspec.json.encode(found), JSON, NO_STORE)


class ServiceNow(msgspec.Struct, frozen=True):
    """What the pages of the command line say about one service."""

    endpoints: msgspec.Raw
    """An `EndpointsView`; null where no worker has answered."""
    explained: msgspec.Raw
    routes: msgspec.Raw
    rollout: RolloutView | None
    endpoints_error: str = ""
    """Why `endpoints` is null."""


class ServiceApi:
    """The page, of those that the command line has."""

    def __init__(
        self,
        publisher: Publisher,
        pages: tuple[Answer, Answer, Answer],
        wall: Callable[[], float] = time,
    ) -> None:
        """`pages` are /endpoints, /explain and /routes."""
        self._publisher = publisher
        self._pages = pages
        self._wall = wall

    async def __call__(self, asked: Asked) -> Page:
        """The page; that of /explain where there is no such service or port."""
        endpoints, explain, routes = self._pages
        asked = replace(asked, query={name: asked.query[name] for name in ("service", "port") if name in asked.query})
        explained = await _page(explain, asked)
        if explained.status != 200:
            return replace(explained, lines=NO_STORE)
        answers, rules = await _page(endpoints, asked), await _page(routes, asked)
        found = ServiceNow(
            _raw(answers), _raw(explained), _raw(rules), self._rollout(asked.query["service"]), _error(answers)
        )
        return Page(200, msgspec.json.encode(found), JSON, NO_STORE)

    def _rollout(self, text: str) -> RolloutView | None:
        name = named(text)
        service = self._publisher.services.get(name.key) if name is not None else None
        return None if service is None else next(rollouts([service], self._wall()), None)


async def _page(page: Answer, asked: Asked) -> Page:
    answer = await page(asked)
    assert not isinstance(answer, Stream)
    return answer


def _raw(page: Page) -> msgspec.Raw:
    return msgspec.Raw(page.body.rstrip(b"\n")) if page.status == 200 else NULL


def _error(page: Page) -> str:
    return "" if page.status == 200 else page.body.decode().strip()
