"""The metrics of TCP connections that carry no HTTP."""

from collections.abc import Iterator, Sequence

from discovery.observe.lines import Place, PortFamily, value_text
from discovery.observe.ports import Port
from nodeproxy.mesh.reports import UNROUTED

Placed = Sequence[tuple[Place, Port]]
"""Service ports, each with its labels as lines have them."""


class ConnectionMetrics:
    """Their families; a service port appears in them with its first connection."""

    def __init__(self) -> None:
        self._ended = PortFamily(
            "counter",
            "nodeproxy_connections",
            "TCP connections that have ended. reason is empty if both sides closed.",
            ("reason", "source_namespace", "source_workload"),
        )
        self._opened = PortFamily(
            "counter", "nodeproxy_connections_opened", "TCP connections that were connected to an endpoint."
        )
        self._active = PortFamily(
            "gauge", "nodeproxy_connections_active", "TCP connections open now, upgraded ones not included."
        )
        self._bytes = PortFamily(
            "counter", "nodeproxy_connection_bytes", "Bytes relayed on TCP connections.", ("direction",)
        )
        self._seconds = PortFamily(
            "counter",
            "nodeproxy_connection_seconds",
            "How long the TCP connections that have ended were open, in all.",
            fractions=True,
        )

    def lines(self, every: Placed) -> Iterator[tuple[PortFamily, list[str]]]:
        """Each family with its lines; connections that reached no service are in the first one only."""
        had = [(at, port, port.counters.connections) for at, port in every]
        had = [(at, port, each) for at, port, each in had if each.ended or each.opened]
        yield self._ended, [line for at, _, each in had for line in self._ended.lines(at, sorted(each.ended))]
        had = [(at, port, each) for at, port, each in had if port.key != UNROUTED]
        yield self._opened, [self._opened.line(at, each.opened) for at, _, each in had]
        yield self._active, [self._active.line(at, port.state.connections) for at, port, _ in had]
        yield self._bytes, [line for at, _, each in had for line in self._bytes.counts(at, each.bytes)]
        yield self._seconds, [self._seconds.line(at, value_text(each.seconds)) for at, _, each in had]
