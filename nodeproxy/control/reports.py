"""The worker's reports to the control process: which ports have changed, a few per step, once a second or when asked.

Requests go on meanwhile: a step looks at STEP_PORTS ports and ends, and the hot lane has the next STEP_S.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import trio

from nodeproxy.mesh.questions import Answer, CountersSent
from nodeproxy.mesh.reports import (
    UNROUTED,
    ConnectionCounters,
    Decision,
    EndKind,
    Introduction,
    PortCounters,
    PortGone,
    PortKey,
    PortReport,
    PortState,
    ProcessReport,
    Report,
    RequestKind,
    TracedRequest,
    UdpCounters,
)
from nodeproxy.mesh.wire import line
from nodeproxy.telemetry.stats import TO_CLIENT, TO_ENDPOINT, ConnectionStats, RouteStats
from nodeproxy.telemetry.udp_stats import UdpStats

ROUND_S = 1.0  # the precision of /metrics of up to 1,000 ports; scrapes are 15 s and more apart
STEP_PORTS = 32  # 0.3 ms, or 0.7 ms if all have changed: as long as ten requests
STEP_S = 0.025  # between two steps: beyond 1,280 ports a round takes longer, not more than 2 % of the core
UNSUBSCRIBED_PER_PORT = 10  # services without a port to report, which cost as much as one port


class PortNumbers(NamedTuple):
    """One service port as the table and its cluster have it now."""

    key: PortKey
    stats: RouteStats
    ejections: int
    state: PortState

    @property
    def mark(self) -> tuple[object, ...]:
        """A value that differs when any number of the port has changed; cheaper than its report."""
        stats = self.stats
        moved = [None if each is None else each.mark for each in (stats.tunnels, stats.connections, stats.udp)]
        decided = sum(stats.decisions.values())
        asked = 0 if stats.redis_commands is None else sum(stats.redis_commands.values())
        own = 0 if stats.own_policies is None else sum(each.calls for each in stats.own_policies.values())
        return (sum(stats.buckets), stats.retries, self.ejections, self.state, *moved, decided, asked, own)

    def report(self) -> PortReport:
        """The whole report of the port."""
        stats = self.stats
        requests = (
            (RequestKind(status, reason, *by, protocol), n)
            for (status, reason, by, protocol), n in stats.requests.items()
        )
        counters = PortCounters(
            tuple(requests),
            tuple(stats.buckets),
            stats.seconds,
            stats.retries,
            self.ejections,
            {} if stats.tunnels is None else stats.tunnels.reasons,
            {} if stats.tunnels is None else stats.tunnels.bytes,
            tuple((Decision(*key), number) for key, number in stats.decisions.items()),
            {} if stats.calls is None else {str(status): number for status, number in stats.calls.items()},
            ConnectionCounters() if stats.connections is None else _counters(stats.connections),
            None if stats.udp is None else _udp_counters(stats.udp),
            {} if stats.redis_commands is None else dict(stats.redis_commands),
            {name: each.calls for name, each in (stats.own_policies or {}).items()},
            {name: each.seconds for name, each in (stats.own_policies or {}).items()},
            tuple(TracedRequest(bucket, *each) for bucket, each in (stats.exemplars or {}).items()),
        )
        return PortReport(self.key, counters, self.state)


def _counters(stats: ConnectionStats) -> ConnectionCounters:
    return ConnectionCounters(stats.opened, _ended(stats.ended), stats.bytes, stats.seconds)


def _udp_counters(stats: UdpStats) -> UdpCounters:
    return UdpCounters(
        _ended(stats.sessions),
        {TO_ENDPOINT: stats.datagrams_to_endpoint, TO_CLIENT: stats.datagrams_to_client},
        {TO_ENDPOINT: stats.bytes_to_endpoint, TO_CLIENT: stats.bytes_to_client},
        dict(stats.dropped),
    )


def _ended(numbers: Mapping[tuple[str, tuple[str, str]], int]) -> tuple[tuple[EndKind, int], ...]:
    return tuple((EndKind(reason, *by), number) for (reason, by), number in numbers.items())


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of a worker's reports."""

    introduction: Introduction
    unrouted: RouteStats
    services: Callable[[], Collection[str]]
    """The keys of all services in the table."""
    ports: Callable[[str], Iterable[PortNumbers]]
    """The service ports to report of one service; none for a service that has left the table."""
    process: Callable[[], ProcessReport]


@dataclass(slots=True)
class Reporter:
    """The reports on one connection; remembers what the other end has."""

    sources: Sources
    _marks: dict[str, dict[PortKey, tuple[object, ...]]] = field(default_factory=dict)
    _asked: list[int] = field(default_factory=list)
    """The numbers of the `CountersNow` that the next round answers."""
    _is_asked: trio.Event = field(default_factory=trio.Event)

    def ask(self, number: int) -> None:
        """Begin the next round within STEP_S, and answer the question of this number when it is sent."""
        self._asked.append(number)
        self._is_asked.set()

    async def run(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send rounds of reports, forever. `send` waits while the other end does not read."""
        await send(line(self.sources.introduction))
        while True:
            began = trio.current_time()
            asked, self._asked, self._is_asked = self._asked, [], trio.Event()
            await self._round(send)
            answers = b"".join(line(Answer(number, CountersSent())) for number in asked)
            await send(line(self.sources.process()) + answers)
            await trio.sleep(STEP_S)
            with trio.move_on_at(began + ROUND_S):
                await self._is_asked.wait()

    async def _round(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        changes: list[Report] = []
        work, most = 0, STEP_PORTS * UNSUBSCRIBED_PER_PORT
        services = self.sources.services()
        for service in ("", *services, *(self._marks.keys() - services - {""})):  # 0.5 ms with 10,000 services
            changes += self.changes_of(service)
            work += UNSUBSCRIBED_PER_PORT * len(self._marks.get(service, ())) or 1
            if work >= most:
                await _send(changes, send)
                changes, work = [], 0
                await trio.sleep(STEP_S)
        await _send(changes, send)

    def changes_of(self, service: str) -> list[Report]:
        """The reports of the ports of `service` that differ from what was reported before."""
        before = self._marks.get(service, {})
        now: dict[PortKey, tuple[object, ...]] = {}
        changes: list[Report] = []
        for numbers in self._ports(service):
            now[numbers.key] = mark = numbers.mark
            if before.get(numbers.key) != mark:
                changes.append(numbers.report())
        changes += [PortGone(key) for key in before if key not in now]
        if now:
            self._marks[service] = now
        elif before:
            del self._marks[service]
        return changes

    def _ports(self, service: str) -> Iterable[PortNumbers]:
        return (
            self.sources.ports(service) if service else (PortNumbers(UNROUTED, self.sources.unrouted, 0, PortState()),)
        )


async def _send(changes: list[Report], send: Callable[[bytes], Awaitable[None]]) -> None:
    if changes:
        await send(b"".join(map(line, changes)))
