"""What the workers have reported: the newest per worker, and the sums over all of them, those that are gone included.

A worker is replaced under the same number with another pid; the counters of its predecessor are added to those of its
past, so that no sum goes backwards. The counters of a service port are dropped when it leaves the mesh.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeVar

from nodeproxy.mesh.rates import Totals, totals_of
from nodeproxy.mesh.reports import (
    ConnectionCounters,
    Introduction,
    PortCounters,
    PortGone,
    PortKey,
    PortReport,
    PortState,
    ProcessCounters,
    ProcessReport,
    ProcessState,
    Report,
    TracedRequest,
    UdpCounters,
)

_K = TypeVar("_K")
START_S = 30.0  # after a start, how long the sums may wait for every worker: a missing one shows as counters going back


@dataclass(slots=True)
class Life:
    """One process of a worker, from its first report to its successor's."""

    number: int
    pid: int
    connection: object | None
    """None while the worker is not connected."""
    ports: dict[PortKey, PortReport] = field(default_factory=dict)
    process: ProcessReport | None = None
    """None until its first round is complete."""
    heard_at: float = 0.0
    unconfirmed: set[PortKey] = field(default_factory=set)
    """Ports of an earlier connection that this one has not reported yet."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A copy of all reports at one time, which another thread may read."""

    now: float
    workers: tuple[Life, ...]
    past_ports: Mapping[PortKey, PortCounters]
    past_process: ProcessCounters
    restarts: int = 0
    """Workers that were replaced by another process."""


class Reports:
    """The reports of the workers of this node; `expected` is how many there should be."""

    def __init__(self, expected: int = 1, now: Callable[[], float] = monotonic) -> None:
        self._expected = expected
        self._now = now
        self._started = now()
        self._lives: dict[int, Life] = {}
        self._of: dict[object, Life] = {}
        self._past_ports: dict[str, dict[PortKey, PortCounters]] = {}
        self._past_process = ProcessCounters()
        self._restarts = 0
        self._followers: list[set[PortKey]] = []

    def follow_changes(self) -> set[PortKey]:
        """A set to which each port is added when it is reported or leaves; its user empties it."""
        changed: set[PortKey] = set()
        self._followers.append(changed)
        return changed

    def unfollow_changes(self, changed: set[PortKey]) -> None:
        """Adds nothing more to `changed`."""
        self._followers = [each for each in self._followers if each is not changed]

    @property
    def complete(self) -> bool:
        """Whether every worker has reported once, or will not: sums without one of them would go backwards."""
        heard = sum(life.process is not None for life in self._lives.values())
        return heard >= self._expected or self._now() - self._started >= START_S

    def number_of(self, connection: object) -> int | None:
        """The number of the worker at the other end, None before its introduction."""
        life = self._of.get(connection)
        return None if life is None else life.number

    def requests_of(self, key: PortKey) -> int:
        """The requests of one service port so far."""
        return sum(number for each in self._counters(key) for _, number in each.requests)

    def connections_of(self, key: PortKey) -> int:
        """The TCP connections of one service port that have ended so far."""
        return sum(number for each in self._counters(key) for _, number in each.connections.ended)

    def counters_of(self, keys: Iterable[PortKey]) -> PortCounters:
        """The sum of the counters of some service ports, of all workers."""
        return ports_added(each for key in keys for each in self._counters(key))

    def totals_of(self, key: PortKey) -> Totals:
        """What rates of one service port are made of, summed over all workers."""
        return totals_of(self._counters(key))

    def states_of(self, key: PortKey) -> list[PortState]:
        """One service port now, in each connected worker that reports it."""
        return [
            life.ports[key].state for life in self._lives.values() if life.connection is not None and key in life.ports
        ]

    def _counters(self, key: PortKey) -> Iterator[PortCounters]:
        past = self._past_ports.get(_service_of(key), {})
        yield from (life.ports[key].counters for life in self._lives.values() if key in life.ports)
        yield past.get(key, PortCounters())

    def note(self, connection: object, report: Report) -> None:
        """Takes one report that arrived on `connection`; one without an introduction is ignored."""
        if isinstance(report, Introduction):
            self._introduce(connection, report)
        elif (life := self._of.get(connection)) is not None:
            _apply(life, report, self._now())
            if isinstance(report, PortReport | PortGone):
                for changed in self._followers:
                    changed.add(report.key)

    def gone(self, connection: object) -> None:
        """Notes that `connection` has ended: its worker's counters stay, its state does not count any more."""
        if (life := self._of.pop(connection, None)) is not None:
            life.connection = None

    def follow(self, service: str, ports: Collection[str]) -> None:
        """Drops the counters of ports of `service` that are not among `ports`, its current ones.

        A connected worker's own are dropped when it reports that they are gone.
        """
        past = self._past_ports.get(service, {})
        for key in [key for key in past if key.port not in ports]:
            del past[key]
        if service in self._past_ports and not past:
            del self._past_ports[service]
        for life in self._lives.values():
            if life.connection is None:
                for key in [key for key in life.ports if _service_of(key) == service and key.port not in ports]:
                    del life.ports[key]

    def numbers(self) -> Numbers:
        """All reports as they are now."""
        lives = (
            Life(life.number, life.pid, life.connection, dict(life.ports), life.process, life.heard_at)
            for life in self._lives.values()
        )
        past = {key: counters for ports in self._past_ports.values() for key, counters in ports.items()}
        return Numbers(self._now(), tuple(lives), past, self._past_process, self._restarts)

    def _introduce(self, connection: object, worker: Introduction) -> None:
        life = self._lives.get(worker.number)
        if life is None or life.pid != worker.pid:
            if life is not None:
                self._retire(life)
                self._restarts += 1
            life = self._lives[worker.number] = Life(worker.number, worker.pid, connection)
        self._of = {other: each for other, each in self._of.items() if each is not life}
        life.connection, life.unconfirmed = connection, set(life.ports)
        self._of[connection] = life

    def _retire(self, life: Life) -> None:
        self._of = {connection: each for connection, each in self._of.items() if each is not life}
        for key, report in life.ports.items():
            past = self._past_ports.setdefault(_service_of(key), {})
            past[key] = ports_added((past[key], report.counters)) if key in past else report.counters
        if life.process is not None:
            self._past_process = processes_added((self._past_process, life.process.counters))


def _apply(life: Life, report: Report, now: float) -> None:
    if isinstance(report, PortReport):
        life.ports[report.key] = report
        life.unconfirmed.discard(report.key)
    elif isinstance(report, PortGone):
        life.ports.pop(report.key, None)
    elif isinstance(report, ProcessReport):
        life.process, life.heard_at = report, now
        for key in life.unconfirmed:
            del life.ports[key]
        life.unconfirmed = set()


def ports_added(all_counters: Iterable[PortCounters]) -> PortCounters:
    """The sum of the counters of one service port."""
    some = tuple(all_counters)
    if len(some) == 1:
        return some[0]
    durations = zip(*(each.durations for each in some if each.durations), strict=True)
    return PortCounters(
        _pairs_added(each.requests for each in some),
        tuple(map(sum, durations)),
        sum(each.seconds for each in some),
        sum(each.retries for each in some),
        sum(each.ejections for each in some),
        _added(each.tunnels_ended for each in some),
        _added(each.tunnel_bytes for each in some),
        _pairs_added(each.decisions for each in some),
        _added(each.calls for each in some),
        _connections_added([each.connections for each in some]),
        _udp_added([each.udp for each in some if each.udp is not None]),
        _added(each.redis_commands for each in some),
        _added(each.own_policy_calls for each in some),
        _seconds_added(each.own_policy_seconds for each in some),
        _newest([each for counters in some for each in counters.exemplars]),
    )


def _seconds_added(some: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for each in some:
        for name, seconds in each.items():
            total[name] = total.get(name, 0.0) + seconds
    return total


def _newest(exemplars: Sequence[TracedRequest]) -> tuple[TracedRequest, ...]:
    by_bucket = {each.bucket: each for each in sorted(exemplars, key=lambda each: each.at)}
    return tuple(by_bucket[bucket] for bucket in sorted(by_bucket))


def _connections_added(some: Sequence[ConnectionCounters]) -> ConnectionCounters:
    return ConnectionCounters(
        sum(each.opened for each in some),
        _pairs_added(each.ended for each in some),
        _added(each.bytes for each in some),
        sum(each.seconds for each in some),
    )


def _udp_added(some: Sequence[UdpCounters]) -> UdpCounters | None:
    if not some:
        return None
    return UdpCounters(
        _pairs_added(each.sessions for each in some),
        _added(each.datagrams for each in some),
        _added(each.bytes for each in some),
        _added(each.dropped for each in some),
    )


def processes_added(all_counters: Iterable[ProcessCounters]) -> ProcessCounters:
    """The sum of the counters of several workers."""
    some = tuple(all_counters)
    return ProcessCounters(
        accepted=sum(each.accepted for each in some),
        evicted=sum(each.evicted for each in some),
        connects=sum(each.connects for each in some),
        http2_accepted=sum(each.http2_accepted for each in some),
        http2_refused=sum(each.http2_refused for each in some),
        http2_floods=sum(each.http2_floods for each in some),
        bugs=sum(each.bugs for each in some),
        updates=sum(each.updates for each in some),
        updates_rejected=sum(each.updates_rejected for each in some),
        log_lines_dropped=sum(each.log_lines_dropped for each in some),
        samples_dropped=sum(each.samples_dropped for each in some),
        buckets_evicted=sum(each.buckets_evicted for each in some),
        shortages=_added(each.shortages for each in some),
        slow_turns=_added(each.slow_turns for each in some),
    )


def state_of_all(numbers: Numbers) -> ProcessState:
    """The connected workers as one: connections and their limits added, the oldest table, the lowest limit of files."""
    reports = [(life.process, life.heard_at) for life in numbers.workers if life.connection is not None]
    states = [(report.state, heard_at) for report, heard_at in reports if report is not None]
    ages = [None if s.table_age_s is None else s.table_age_s + numbers.now - heard_at for s, heard_at in states]
    known = [age for age in ages if age is not None]
    return ProcessState(
        connections=sum(state.connections for state, _ in states),
        connections_limit=sum(state.connections_limit for state, _ in states),
        open_files_limit=min((state.open_files_limit for state, _ in states), default=0),
        listeners_missing=max((state.listeners_missing for state, _ in states), default=0),
        udp_sessions=sum(state.udp_sessions for state, _ in states),
        udp_sessions_limit=sum(state.udp_sessions_limit for state, _ in states),
        table_age_s=max(known) if known and len(known) == len(ages) else None,
    )


def _added(all_counts: Iterable[Mapping[_K, int]]) -> dict[_K, int]:
    total: dict[_K, int] = {}
    for counts in all_counts:
        if counts:  # most are empty
            for key, number in counts.items():
                total[key] = total.get(key, 0) + number
    return total


def _pairs_added(all_counts: Iterable[Iterable[tuple[_K, int]]]) -> tuple[tuple[_K, int], ...]:
    total: dict[_K, int] = {}
    for counts in all_counts:
        for key, number in counts:
            total[key] = total.get(key, 0) + number
    return tuple(total.items())


def _service_of(key: PortKey) -> str:
    return f"{key.namespace}/{key.service}"
