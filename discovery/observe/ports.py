"""The service ports of a node, each summed over its workers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from discovery.workers.reports import Numbers
from discovery.workers.sums import ports_added
from nodeproxy.mesh.reports import PortCounters, PortKey, PortState

_NO_STATE = PortState()


@dataclass(frozen=True, slots=True)
class Port:
    """One service port, summed over the workers."""

    key: PortKey
    counters: PortCounters
    state: PortState


def _all(_counters: PortCounters, _state: PortState) -> bool:
    return True


def ports_of(numbers: Numbers, only: Callable[[PortCounters, PortState], bool] = _all) -> Iterator[Port]:
    """Every service port of which a worker has reported what `only` accepts.

    Counters and requests in flight are added; endpoints are as the worker that has most of them reports. All workers
    have the same table, but not in the same instant; of two with equally many endpoints the one with fewer usable ones
    counts.
    """
    counters = {key: [past] for key, past in numbers.past_ports.items()}
    states: dict[PortKey, list[PortState]] = {}
    for life in numbers.workers:
        for key, report in life.ports.items():
            if not only(report.counters, report.state):
                continue
            counters.setdefault(key, []).append(report.counters)
            if life.connection is not None:
                states.setdefault(key, []).append(report.state)
    for key, each in counters.items():
        yield Port(key, ports_added(each), state_of(states.get(key, ())))


def state_of(now: Sequence[PortState]) -> PortState:
    """One service port now, of its state in each worker."""
    if len(now) < 2:
        return now[0] if now else _NO_STATE
    most = max(now, key=lambda state: (state.endpoints, -state.usable))
    return PortState(
        active=sum(state.active for state in now),
        endpoints=most.endpoints,
        usable=most.usable,
        tunnels=sum(state.tunnels for state in now),
        connections=sum(state.connections for state in now),
        figures=_figures_added(now),
        udp_sessions=sum(state.udp_sessions for state in now),
        ejected=most.ejected,
        unhealthy=most.unhealthy,
    )


def _figures_added(states: Sequence[PortState]) -> dict[str, dict[str, float]]:
    added: dict[str, dict[str, float]] = {}
    for state in states:
        for policy, figures in state.figures.items():
            of_policy = added.setdefault(policy, {})
            for name, value in figures.items():
                of_policy[name] = of_policy.get(name, 0.0) + value
    return added
