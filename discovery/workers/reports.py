"""What the workers have reported: the newest per worker, and the sums over all of them, those that are gone included.

A worker is replaced under the same number with another pid; the counters of its predecessor are added to those of its
past, so that no sum goes backwards. The counters of a service port are dropped when it leaves the mesh.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from time import monotonic

from discovery.workers.sums import ports_added, processes_added
from nodeproxy.mesh.rates import Totals, totals_of
from nodeproxy.mesh.reports import (
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
)

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


def _service_of(key: PortKey) -> str:
    return f"{key.namespace}/{key.service}"
