"""/api/services: the service ports with their rates and history; whole at first, then what changes."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from time import monotonic, time

import anyio
import msgspec
from anyio import to_thread

from discovery.observe.page.events import BEGIN, CONTENT_TYPE, NO_STORE, Beats, event_of
from discovery.observe.page.history import NOTHING, History, Series
from discovery.observe.page.live import Live
from discovery.observe.pages import JSON
from discovery.observe.ports import ports_of
from discovery.observe.server import Asked, Page
from discovery.observe.streams import Send, Stream
from discovery.workers.publish import Publisher
from discovery.workers.reports import Numbers
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.rates import Rate
from nodeproxy.mesh.reports import PortKey, PortState

SERVICES_MOST = 2000  # of a page: 1 MB, where each has traffic; those beyond are counted
WHOLE_S = 5.0  # between two whole lists on a stream: services come and go in crowds


class PortLine(msgspec.Struct, frozen=True):
    """One service port."""

    port: str
    protocol: str
    address: str
    """The virtual address, "" without one."""
    endpoints: int
    usable: int
    active: int
    connections: int
    subscribed: bool
    requests_per_s: float
    errors_per_s: float
    retries_per_s: float
    p50_s: float | None
    p99_s: float | None
    history: Series


class ServiceLine(msgspec.Struct, frozen=True):
    """One service."""

    name: str
    """`<service>.<namespace>`."""
    namespace: str
    ports: tuple[PortLine, ...]


class ServicesNow(msgspec.Struct, frozen=True):
    """The services in this node's table, those with traffic first where not all are shown."""

    at: float
    services: list[ServiceLine]
    hidden: int


class ServicesApi:
    """The page, or with `stream` in its query the stream."""

    def __init__(self, publisher: Publisher, history: History, live: Live) -> None:
        self._publisher = publisher
        self._history = history
        self._live = live
        self._turn = anyio.Lock()

    async def __call__(self, asked: Asked) -> Page | Stream:
        """See above."""
        if "stream" in asked.query:
            return Stream(self._run, CONTENT_TYPE, NO_STORE)
        return Page(200, await self._whole(), JSON, NO_STORE)

    async def _run(self, send: Send) -> None:
        beats = Beats(send)
        with self._live.feed as feed:
            number, revision, whole_at = feed.number, self._publisher.revision, monotonic()
            await beats.send(BEGIN + event_of("services", await self._whole()))
            while True:
                events = await feed.after(number, WHOLE_S)
                stale = revision != self._publisher.revision and monotonic() - whole_at >= WHOLE_S
                if stale or events is None:
                    number, revision, whole_at = feed.number, self._publisher.revision, monotonic()
                    await beats.send(event_of("services", await self._whole()))
                else:
                    number = feed.number
                    await beats.send(b"".join(events))

    async def _whole(self) -> bytes:
        async with self._turn:
            numbers, in_force = self._publisher.reports.numbers(), dict(self._publisher.services)
            rates = self._live.rates()
            return await to_thread.run_sync(partial(services_now, numbers, in_force, rates, self._history))


def services_now(
    numbers: Numbers, in_force: Mapping[str, Service], rates: Mapping[PortKey, Rate], history: History
) -> bytes:
    """The `ServicesNow` as JSON."""
    states = {port.key: port.state for port in ports_of(numbers)}
    keys = shown(in_force, rates, states)
    series = history.series({*rates, *states})
    lines = [
        ServiceLine(
            f"{service.name}.{service.namespace}",
            service.namespace,
            tuple(_port_lines(service, rates, states, series)),
        )
        for service in map(in_force.__getitem__, keys)
    ]
    return msgspec.json.encode(ServicesNow(time(), lines, len(in_force) - len(lines)))


def shown(
    in_force: Mapping[str, Service], rates: Iterable[PortKey], states: Iterable[PortKey], most: int = SERVICES_MOST
) -> list[str]:
    """The keys of the services that are shown, by name; too many: those with traffic first, then those followed."""
    if len(in_force) <= most:
        return sorted(in_force)
    called = {f"{key.namespace}/{key.service}" for key in rates}
    known = {f"{key.namespace}/{key.service}" for key in states}
    return sorted(sorted(in_force, key=lambda key: (key not in called, key not in known, key))[:most])


def _port_lines(
    service: Service,
    rates: Mapping[PortKey, Rate],
    states: Mapping[PortKey, PortState],
    series: Mapping[PortKey, Series],
) -> Iterator[PortLine]:
    for port in service.ports:
        key = PortKey(service.namespace, service.name, port.key)
        state = states.get(key) or _unreported(port)
        rate = rates.get(key, Rate())
        yield PortLine(
            port.key,
            port.protocol,
            service.virtual_address,
            state.endpoints,
            state.usable,
            state.active,
            state.connections + state.udp_sessions,
            not service.unsubscribed,
            *rate,
            series.get(key, NOTHING),
        )


def _unreported(port: Port) -> PortState:
    return PortState(endpoints=len(port.endpoints), usable=len(port.endpoints))
