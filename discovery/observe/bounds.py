"""Bounds on the series of a page, whatever the cluster, its callers and its endpoints do.

A page is read by every Prometheus of a cluster, from each node. So a service port that was never used has no series,
PORTS_MOST of the others have series of their own, and the rest are one service, `other`. Where statuses and callers
are too many to be told apart, they are reduced in steps, and a step that was taken stays: no series goes backwards.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import TypeVar

from msgspec.structs import replace as replaced

from discovery.observe.ports import Port
from discovery.workers.sums import ports_added
from nodeproxy.mesh.callers import OTHER
from nodeproxy.mesh.reports import UNROUTED, EndKind, PortCounters, PortKey, PortState, RequestKind

PORTS_MOST = 1_000  # service ports with series of their own: 1 MB; the pods of one node call fewer
KINDS_MOST = 1_000  # series of requests of one service port: 250 callers with 4 statuses each
REQUESTS_MOST = 8_000  # series of requests, connections and sessions of a page: 1.4 MB
OTHERS = PortKey("", "other", "")
_KNOWN = frozenset(map(int, HTTPStatus)) | {499}
_STEPS = 3
_K = TypeVar("_K")


def used(counters: PortCounters, state: PortState) -> bool:
    """Whether a service port has series: it was called, or something is wrong with its endpoints."""
    return bool(
        counters.requests
        or counters.tunnel_bytes
        or counters.connections.opened
        or counters.connections.ended
        or counters.udp
        or counters.ejections
        or counters.decisions
        or counters.redis_commands
        or counters.calls
        or counters.own_policy_calls
        or state.active
        or state.usable < state.endpoints
    )


class Bounds:
    """Remembers which service ports have series of their own, and which steps were taken. One thread at a time."""

    def __init__(self, ports_most: int = PORTS_MOST, requests_most: int = REQUESTS_MOST) -> None:
        self._ports_most = ports_most
        self._requests_most = requests_most
        self._own: set[PortKey] = set()
        self._others: dict[PortKey, PortCounters] = {}
        self._past = PortCounters()  # of those of `other` that have left the mesh: its counters must not go backwards
        self._steps: dict[PortKey, int] = {}
        self.step = 0
        """The step that all ports have taken; 0 while nothing is left out."""
        self.merged = 0
        """How many service ports are in `other`."""

    def bounded(self, ports: Iterable[Port]) -> list[Port]:
        """At most so many of them, with at most so many series; the ones beyond are summed in OTHERS."""
        found = self._separated(tuple(ports))
        self._steps = {key: step for key, step in self._steps.items() if key in self._own or key in (OTHERS, UNROUTED)}
        found = [self._reduced(port) for port in found]
        while self.step < _STEPS and sum(map(_series, found)) > self._requests_most:
            self.step += 1
            found = [self._reduced(port) for port in found]
        return found

    def _separated(self, ports: Sequence[Port]) -> list[Port]:
        present = {port.key for port in ports}
        self._own &= present
        gone = [self._others.pop(key) for key in [key for key in self._others if key not in present]]
        if gone:
            self._past = ports_added((self._past, *gone))
        own, others = [], []
        for port in ports:
            if port.key != UNROUTED and port.key not in self._own:
                if port.key in self._others or len(self._own) >= self._ports_most:
                    self._others[port.key] = port.counters
                    others.append(port)
                    continue
                self._own.add(port.key)
            own.append(port)
        self.merged = len(others)
        if others or self._past != PortCounters():
            own.append(Port(OTHERS, ports_added((self._past, *self._others.values())), _sum_of(others)))
        return own

    def _reduced(self, port: Port) -> Port:
        step = max(self.step, self._steps.get(port.key, 0))
        counters = port.counters
        reduced = _at(counters, step)
        while step < _STEPS and _series(Port(port.key, reduced, port.state)) > KINDS_MOST:
            step += 1
            reduced = _at(counters, step)
        if step:
            self._steps[port.key] = step
        return port if reduced is counters else replace(port, counters=reduced)


def _series(port: Port) -> int:
    counters = port.counters
    udp = counters.udp
    return len(counters.requests) + len(counters.connections.ended) + (len(udp.sessions) if udp else 0)


def _at(counters: PortCounters, step: int) -> PortCounters:
    """Step 1: unregistered statuses by class; 2: without callers; 3: all statuses by class, without reasons."""
    if not step:
        return counters
    udp = counters.udp
    return replaced(
        counters,
        requests=_merged(counters.requests, lambda kind: _request(kind, step)),
        connections=replaced(counters.connections, ended=_merged(counters.connections.ended, lambda k: _end(k, step))),
        udp=None if udp is None else replaced(udp, sessions=_merged(udp.sessions, lambda kind: _end(kind, step))),
    )


def _request(kind: RequestKind, step: int) -> RequestKind:
    if step >= 2:
        kind = kind._replace(source_namespace=OTHER[0], source_workload=OTHER[1])
    if step >= 3:
        return kind._replace(status=kind.status // 100 * 100, reason="other" if kind.reason else "")
    return kind if kind.status in _KNOWN else kind._replace(status=kind.status // 100 * 100)


def _end(kind: EndKind, step: int) -> EndKind:
    return EndKind(kind.reason, *OTHER) if step >= 2 else kind


def _merged(counts: Iterable[tuple[_K, int]], of: Callable[[_K], _K]) -> tuple[tuple[_K, int], ...]:
    found: dict[_K, int] = {}
    for kind, number in counts:
        key = of(kind)
        found[key] = found.get(key, 0) + number
    return tuple(found.items())


def _sum_of(ports: Sequence[Port]) -> PortState:
    states = [port.state for port in ports]
    return PortState(
        active=sum(state.active for state in states),
        endpoints=sum(state.endpoints for state in states),
        usable=sum(state.usable for state in states),
        tunnels=sum(state.tunnels for state in states),
        connections=sum(state.connections for state in states),
        udp_sessions=sum(state.udp_sessions for state in states),
        ejected=sum(state.ejected for state in states),
        unhealthy=sum(state.unhealthy for state in states),
    )
