"""The metrics of a node: the workers' reports as one page.

What is on it is bounded (`bounds`): service ports, callers, statuses, policy maps.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from math import inf
from typing import Literal

from discovery.observe.bounds import Bounds, used
from discovery.observe.connection_metrics import ConnectionMetrics, Placed
from discovery.observe.families import Declared
from discovery.observe.lines import Place, PortFamily, PortHistogram, exemplar_text, place_of, rendered, value_text
from discovery.observe.node_families import LABELLED, NUMBERS, of_node
from discovery.observe.ports import Port, ports_of
from discovery.observe.udp_metrics import UdpMetrics
from discovery.observe.view import Bounded, View
from nodeproxy.mesh.reports import LATENCY_BOUNDS_S, UNROUTED, TracedRequest

Detail = Literal["coarse", "fine"]
COARSE_BOUNDS_S = (0.005, 0.025, 0.1, 0.5)  # of LATENCY_BOUNDS_S: half of all series of a node are buckets


class NodeMetrics:
    """All families of one node. Remembers what has been formatted; one thread at a time may use it."""

    def __init__(self, buckets: Detail = "coarse", bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()
        self._bounds_s = COARSE_BOUNDS_S if buckets == "coarse" else LATENCY_BOUNDS_S
        self._sums = _sums(self._bounds_s)
        self._requests = PortFamily(
            "counter",
            "nodeproxy_requests",
            "Completed requests. reason is empty if the response came from an endpoint; protocol is what the client "
            "spoke: http1, http2, or grpc over either.",
            ("status", "reason", "source_namespace", "source_workload", "protocol"),
        )
        self._durations = PortHistogram(
            "nodeproxy_request_duration_seconds",
            "Time from the request's head to the response's last byte. In OpenMetrics, buckets have the trace of their "
            "newest request that came with a sampled one as exemplar.",
            (*self._bounds_s, inf),
        )
        self._counters = _counters()
        self._active = PortFamily(
            "gauge", "nodeproxy_requests_active", "Requests in flight; no series where there is none."
        )
        self._endpoints = PortFamily(
            "gauge",
            "nodeproxy_endpoints",
            "Endpoints of the service port in the table: usable, ejected (by outlier detection or after a failed "
            "connect), unhealthy (by probes). Of the last two, no series where there is none.",
            ("state",),
        )
        self._tunnels_active = PortFamily(
            "gauge", "nodeproxy_tunnels_active", "Connections upgraded to another protocol (101), open now."
        )
        self._tunnels_ended = PortFamily(
            "counter",
            "nodeproxy_tunnels_ended",
            "Upgraded connections that have ended. reason is empty if both sides closed.",
            ("reason",),
        )
        self._tunnel_bytes = PortFamily(
            "counter", "nodeproxy_tunnel_bytes", "Bytes relayed on upgraded connections.", ("direction",)
        )
        self._connections = ConnectionMetrics()
        self._udp = UdpMetrics()
        self._calls = PortFamily(
            "counter",
            "nodeproxy_grpc_responses",
            "Completed gRPC calls by the grpc-status that the client got; they are in nodeproxy_requests too.",
            ("grpc_status",),
        )
        self._redis_commands = PortFamily(
            "counter",
            "nodeproxy_redis_commands",
            "Commands that clients have sent to Redis, of ports whose policy `redis` has them counted.",
            ("command",),
        )
        self._decisions = PortFamily(
            "counter",
            "nodeproxy_policy_decisions",
            "Decisions of policies, see docs/policies; mode is shadow for what a policy that is not enforced would "
            "have done. The outcome of `split` is the service or subset that was chosen.",
            ("policy", "outcome", "mode"),
        )
        self._own_calls = PortFamily(
            "counter",
            "nodeproxy_own_policy_calls",
            "Calls of custom policies (own_policies): a request calls each of its functions once.",
            ("policy",),
        )
        self._own_seconds = PortFamily(
            "counter",
            "nodeproxy_own_policy_seconds",
            "Time that custom policies have added to requests, without what is inside of them.",
            ("policy",),
            fractions=True,
        )
        self._figures = PortFamily(
            "gauge",
            "nodeproxy_policy_state",
            "Figures of the state of policies, summed over the workers; docs/policies says what each means.",
            ("policy", "figure"),
            fractions=True,
        )

    def declared(self) -> list[Declared]:
        """All families, those of service ports first."""
        of_ports = [family.declared for family, _ in self._of_ports((), openmetrics=False)]
        return [*of_ports, *(family for family, _ in NUMBERS), *(family for family, _ in LABELLED)]

    def text(self, view: View, *, openmetrics: bool = False) -> bytes:
        """The page, in the text format of Prometheus or in OpenMetrics."""
        ports = self._bounds.bounded(ports_of(view.numbers, used))
        every = [(place_of(port.key), port) for port in sorted(ports, key=lambda port: port.key)]
        # one family at a time, because no other thread runs while a string of megabytes is made
        families = self._of_ports(every, openmetrics=openmetrics)
        pieces = [(family.heads[openmetrics] + "".join(lines)).encode() for family, lines in families]
        rest = tuple(of_node(view, Bounded(self._bounds.merged, self._bounds.step)))
        return b"".join((*pieces, rendered(rest, openmetrics=openmetrics)))

    def _of_ports(self, every: Placed, *, openmetrics: bool) -> Iterator[tuple[PortFamily, list[str]]]:
        ports = [(place, port) for place, port in every if port.key != UNROUTED]
        asked = [(place, port) for place, port in ports if port.counters.requests]
        requests = self._requests.lines
        yield self._requests, [line for at, port in every for line in requests(at, port.counters.requests)]
        yield self._durations, [line for at, port in asked for line in self._histogram(at, port, openmetrics)]
        for family, value in self._counters:
            yield family, [family.line(at, number) for at, port in ports if (number := value(port))]
        yield self._active, [self._active.line(at, port.state.active) for at, port in ports if port.state.active]
        yield self._endpoints, [line for at, port in ports for line in self._endpoints.lines(at, _states(port))]
        tunnelled = [(at, port) for at, port in ports if port.counters.tunnel_bytes]
        yield self._tunnels_active, [self._tunnels_active.line(at, port.state.tunnels) for at, port in tunnelled]
        yield self._tunnels_ended, _counts(self._tunnels_ended, ports, lambda port: port.counters.tunnels_ended)
        yield self._tunnel_bytes, _counts(self._tunnel_bytes, ports, lambda port: port.counters.tunnel_bytes)
        yield from self._connections.lines(every)
        yield from self._udp.lines(every)
        yield self._calls, _counts(self._calls, ports, lambda port: port.counters.calls)
        yield self._redis_commands, _counts(self._redis_commands, ports, lambda port: port.counters.redis_commands)
        yield self._decisions, [line for at, port in ports for line in self._decisions.lines(at, _decisions(port))]
        yield self._own_calls, _counts(self._own_calls, ports, lambda port: port.counters.own_policy_calls)
        yield self._own_seconds, [line for at, port in ports for line in self._own_seconds.lines(at, _seconds(port))]
        yield self._figures, [line for at, port in ports for line in self._figures.lines(at, _figures(port))]

    def _histogram(self, place: Place, port: Port, openmetrics: bool) -> list[str]:
        counters = port.counters
        exemplars = self._exemplars(counters.exemplars) if openmetrics and counters.exemplars else {}
        durations = counters.durations
        cumulative = list(accumulate(sum(durations[begin:end]) for begin, end in self._sums))
        return self._durations.histogram(place, cumulative, counters.seconds, exemplars)

    def _exemplars(self, traced: Sequence[TracedRequest]) -> dict[int, str]:
        """The ends of lines, by bucket of the page; the newest of each stays."""
        return {
            bisect_left(self._bounds_s, each.seconds): exemplar_text(each.trace_id, each.seconds, each.at)
            for each in sorted(traced, key=lambda each: each.at)
        }


def _sums(bounds_s: Sequence[float]) -> Sequence[tuple[int, int]]:
    """Which of the counted buckets make each bucket of the page."""
    ends = [LATENCY_BOUNDS_S.index(bound) + 1 for bound in bounds_s]
    return tuple(pairwise((0, *ends, len(LATENCY_BOUNDS_S) + 1)))


def _states(port: Port) -> Sequence[tuple[tuple[object, ...], int]]:
    state = port.state
    found: list[tuple[tuple[object, ...], int]] = [(("usable",), state.usable)]
    if state.ejected:
        found.append((("ejected",), state.ejected))
    if state.unhealthy:
        found.append((("unhealthy",), state.unhealthy))
    return found


def _decisions(port: Port) -> Sequence[tuple[tuple[object, ...], int]]:
    return sorted(port.counters.decisions)


def _seconds(port: Port) -> Sequence[tuple[tuple[object, ...], str]]:
    return [((name,), value_text(seconds)) for name, seconds in sorted(port.counters.own_policy_seconds.items())]


def _figures(port: Port) -> Sequence[tuple[tuple[object, ...], str]]:
    return [
        ((policy, name), value_text(value))
        for policy, figures in sorted(port.state.figures.items())
        for name, value in sorted(figures.items())
    ]


def _counters() -> Sequence[tuple[PortFamily, Callable[[Port], int]]]:
    """The counters that most service ports never need: no series before the first."""
    return (
        (
            PortFamily("counter", "nodeproxy_retries", "Attempts after the first of a request."),
            lambda port: port.counters.retries,
        ),
        (
            PortFamily(
                "counter",
                "nodeproxy_outlier_ejections",
                "Ejections of endpoints by outlier detection, or after a failed connect.",
            ),
            lambda port: port.counters.ejections,
        ),
    )


def _counts(family: PortFamily, ports: Placed, counts: Callable[[Port], Mapping[str, int]]) -> list[str]:
    """The lines of a family with one further label, whose values and numbers are `counts`."""
    return [line for at, port in ports for line in family.counts(at, counts(port))]
