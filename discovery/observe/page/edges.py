"""/api/map: which workload calls which service, by the workers' counters; made only while a reader looks."""

from collections.abc import Awaitable, Callable
from functools import partial
from heapq import nlargest
from time import monotonic, time
from typing import NamedTuple

import anyio
import msgspec
from anyio import to_thread

from discovery.observe.page.events import BEGIN, CONTENT_TYPE, NO_STORE, event_of
from discovery.observe.page.live import Live
from discovery.observe.pages import JSON
from discovery.observe.ports import ports_of
from discovery.observe.server import Asked, Page
from discovery.observe.streams import Send, Stream
from discovery.workers.reports import Numbers, Reports
from nodeproxy.mesh.callers import caller_text
from nodeproxy.mesh.rates import Rate
from nodeproxy.mesh.reports import UNROUTED, PortKey

EDGES_MOST = 500  # the busiest; a map of more is unreadable
STEP_S = 2.0


class Calls(NamedTuple):
    """What a workload has asked of a service port so far."""

    requests: int = 0
    """And connections that carry no HTTP and have ended."""
    errors: int = 0


Edge = tuple[str, PortKey]
"""Namespace and workload of the caller, and what it calls."""


class EdgeLine(msgspec.Struct, frozen=True):
    """One edge."""

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    port: str
    requests_per_s: float
    errors_per_s: float
    p99_s: float | None
    """Of the port, by any caller: durations are not counted by caller."""


class MapNow(msgspec.Struct, frozen=True):
    """The edges with calls since the workers' start, the busiest first."""

    at: float
    edges: list[EdgeLine]
    others: int
    """Edges that are not among them."""


class MapApi:
    """The page, or with `stream` in its query the stream."""

    def __init__(
        self,
        reports: Reports,
        live: Live,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._reports = reports
        self._live = live
        self._sleep = sleep
        self._now = now
        self._turn = anyio.Lock()
        self._looked_at = -STEP_S
        self._calls: dict[Edge, Calls] = {}
        self._made = b""

    async def __call__(self, asked: Asked) -> Page | Stream:
        """See above. The page takes two seconds where no reader was there before: it compares two looks."""
        if "stream" in asked.query:
            return Stream(self._run, CONTENT_TYPE, NO_STORE)
        if self._now() - self._looked_at > 2 * STEP_S:
            await self._newest()
            await self._sleep(STEP_S)
        return Page(200, await self._newest(), JSON, NO_STORE)

    async def _run(self, send: Send) -> None:
        with self._live.feed:  # its rates have the p99
            await send(BEGIN)
            while True:
                await send(event_of("map", await self._newest()))
                await self._sleep(STEP_S)

    async def _newest(self) -> bytes:
        """The map as JSON, at most STEP_S old: one for all readers."""
        async with self._turn:
            now = self._now()
            elapsed_s = now - self._looked_at
            if elapsed_s >= STEP_S * 0.9:
                before = self._calls if elapsed_s <= 2 * STEP_S else None
                make = partial(map_now, self._reports.numbers(), before, elapsed_s, self._live.rates())
                self._calls, self._made = await to_thread.run_sync(make)
                self._looked_at = now
            return self._made


def map_now(
    numbers: Numbers, before: dict[Edge, Calls] | None, elapsed_s: float, rates: dict[PortKey, Rate]
) -> tuple[dict[Edge, Calls], bytes]:
    """The calls so far, and the `MapNow` as JSON; its rates are 0 where there is no look before."""
    calls = calls_of(numbers)
    past = calls if before is None else before

    def line(edge: Edge, count: Calls) -> EdgeLine:
        caller, key = edge
        earlier = past.get(edge, Calls())
        if count.requests < earlier.requests:
            earlier = Calls()
        return EdgeLine(
            caller,
            f"{key.service}.{key.namespace}",
            key.port,
            round((count.requests - earlier.requests) / elapsed_s, 2),
            round((count.errors - earlier.errors) / elapsed_s, 2),
            rates[key].p99_s if key in rates else None,
        )

    lines = [(line(edge, count), count.requests) for edge, count in calls.items()]
    busiest = nlargest(EDGES_MOST, lines, key=lambda each: (each[0].requests_per_s, each[1]))
    found = MapNow(time(), [each for each, _ in busiest], len(lines) - len(busiest))
    return calls, msgspec.json.encode(found)


def calls_of(numbers: Numbers) -> dict[Edge, Calls]:
    """How often each workload has called each service port."""
    found: dict[Edge, Calls] = {}
    for port in ports_of(numbers, lambda counters, _state: bool(counters.requests or counters.connections.ended)):
        if port.key == UNROUTED:
            continue
        for kind, number in port.counters.requests:
            edge = caller_text(kind.source_namespace, kind.source_workload), port.key
            before = found.get(edge, Calls())
            failed = number if kind.status >= 500 else 0
            found[edge] = Calls(before.requests + number, before.errors + failed)
        for end, number in port.counters.connections.ended:
            edge = caller_text(end.source_namespace, end.source_workload), port.key
            before = found.get(edge, Calls())
            found[edge] = Calls(before.requests + number, before.errors + (number if end.reason else 0))
    return found
