"""The metrics of UDP service ports."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from discovery.observe.lines import Place, PortFamily
from discovery.observe.ports import Port
from nodeproxy.mesh.reports import UdpCounters


class UdpMetrics:
    """The families of UDP ports; those of a node without one have no series."""

    def __init__(self) -> None:
        counter = CounterMetricFamily
        self._active = PortFamily(GaugeMetricFamily, "nodeproxy_udp_sessions_active", "UDP sessions now.")
        self._sessions = PortFamily(
            counter,
            "nodeproxy_udp_sessions",
            "UDP sessions that have ended; reason is idle, evicted, drained, endpoints-unknown, unknown-service, "
            "internal, or why the first datagrams of one that never had an endpoint were dropped.",
            ("reason", "source_namespace", "source_workload"),
        )
        self._datagrams = PortFamily(counter, "nodeproxy_udp_datagrams", "Datagrams passed on.", ("direction",))
        self._bytes = PortFamily(counter, "nodeproxy_udp_bytes", "Bytes of the datagrams passed on.", ("direction",))
        self._dropped = PortFamily(
            counter, "nodeproxy_udp_datagrams_dropped", "Datagrams that were not passed on.", ("reason",)
        )

    def of_ports(self, ports: Sequence[tuple[Place, Port]]) -> Iterator[tuple[PortFamily, list[str]]]:
        """Each family with its lines."""
        some = [(at, port, port.counters.udp) for at, port in ports if port.counters.udp is not None]
        yield self._active, [self._active.line(at, port.state.udp_sessions) for at, port, _ in some]
        lines = self._sessions.lines
        yield self._sessions, [line for at, _, udp in some for line in lines(at, sorted(udp.sessions))]
        counters = [(at, udp) for at, _, udp in some]
        yield self._datagrams, _counts(self._datagrams, counters, lambda udp: udp.datagrams)
        yield self._bytes, _counts(self._bytes, counters, lambda udp: udp.bytes)
        yield self._dropped, _counts(self._dropped, counters, lambda udp: udp.dropped)


def _counts(
    family: PortFamily, ports: Sequence[tuple[Place, UdpCounters]], counts: Callable[[UdpCounters], Mapping[str, int]]
) -> list[str]:
    return [
        line
        for at, udp in ports
        for line in family.lines(at, [((value,), number) for value, number in sorted(counts(udp).items())])
    ]
