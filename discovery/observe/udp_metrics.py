"""The metrics of UDP service ports."""

from collections.abc import Iterator

from discovery.observe.connection_metrics import Placed
from discovery.observe.lines import PortFamily


class UdpMetrics:
    """The families of UDP ports; those of a node without one have no series."""

    def __init__(self) -> None:
        self._active = PortFamily("gauge", "nodeproxy_udp_sessions_active", "UDP sessions now.")
        self._sessions = PortFamily(
            "counter",
            "nodeproxy_udp_sessions",
            "UDP sessions that have ended; reason is idle, evicted, drained, endpoints-unknown, unknown-service, "
            "internal, or why the first datagrams of one that never had an endpoint were dropped.",
            ("reason", "source_namespace", "source_workload"),
        )
        self._datagrams = PortFamily("counter", "nodeproxy_udp_datagrams", "Datagrams passed on.", ("direction",))
        self._bytes = PortFamily("counter", "nodeproxy_udp_bytes", "Bytes of the datagrams passed on.", ("direction",))
        self._dropped = PortFamily(
            "counter", "nodeproxy_udp_datagrams_dropped", "Datagrams that were not passed on.", ("reason",)
        )

    def lines(self, every: Placed) -> Iterator[tuple[PortFamily, list[str]]]:
        """Each family with its lines."""
        had = [(at, port, port.counters.udp) for at, port in every if port.counters.udp is not None]
        yield self._active, [self._active.line(at, port.state.udp_sessions) for at, port, _ in had]
        yield self._sessions, [line for at, _, each in had for line in self._sessions.lines(at, sorted(each.sessions))]
        yield self._datagrams, [line for at, _, each in had for line in self._datagrams.counts(at, each.datagrams)]
        yield self._bytes, [line for at, _, each in had for line in self._bytes.counts(at, each.bytes)]
        yield self._dropped, [line for at, _, each in had for line in self._dropped.counts(at, each.dropped)]
