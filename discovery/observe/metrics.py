"""The metrics of a node: the workers' reports as one page.

Labels are bounded: services, statuses, policy maps.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from math import inf
from types import MappingProxyType

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from discovery.observe.connection_metrics import ConnectionMetrics, Placed
from discovery.observe.lines import Place, PortFamily, PortHistogram, place_of, rendered, value_text
from discovery.observe.ports import Port, ports_of
from discovery.observe.span_metrics import span_metrics
from discovery.observe.traces.queue import SpanCounters
from discovery.observe.udp_metrics import UdpMetrics
from discovery.workers.reports import Numbers, processes_added, state_of_all
from nodeproxy.mesh.reports import LATENCY_BOUNDS_S, UNROUTED
from nodeproxy.mesh.wire import PolicyMap


class NodeMetrics:
    """All families of one node. Remembers what has been formatted; one thread at a time may use it."""

    def __init__(self) -> None:
        self._requests = PortFamily(
            CounterMetricFamily,
            "nodeproxy_requests",
            "Completed requests. reason is empty if the response came from an endpoint.",
            ("status", "reason", "source_namespace", "source_workload"),
        )
        self._durations = PortHistogram(
            "nodeproxy_request_duration_seconds",
            "Time from the request's head to the response's last byte.",
            (*LATENCY_BOUNDS_S, inf),
        )
        self._numbers = _numbers()
        self._tunnels_active = PortFamily(
            GaugeMetricFamily, "nodeproxy_tunnels_active", "Connections upgraded to another protocol (101), open now."
        )
        self._tunnels_ended = PortFamily(
            CounterMetricFamily,
            "nodeproxy_tunnels_ended",
            "Upgraded connections that have ended. reason is empty if both sides closed.",
            ("reason",),
        )
        self._tunnel_bytes = PortFamily(
            CounterMetricFamily, "nodeproxy_tunnel_bytes", "Bytes relayed on upgraded connections.", ("direction",)
        )
        self._connections = ConnectionMetrics()
        self._udp = UdpMetrics()
        self._calls = PortFamily(
            CounterMetricFamily,
            "nodeproxy_grpc_responses",
            "Completed gRPC calls by the grpc-status that the client got; they are in nodeproxy_requests too.",
            ("grpc_status",),
        )
        self._redis_commands = PortFamily(
            CounterMetricFamily,
            "nodeproxy_redis_commands",
            "Commands that clients have sent to Redis, of ports whose policy `redis` has them counted.",
            ("command",),
        )
        self._decisions = PortFamily(
            CounterMetricFamily,
            "nodeproxy_policy_decisions",
            "Decisions of policies; mode is shadow for what a policy that is not enforced would have done.",
            ("policy", "outcome", "mode"),
        )
        self._own_calls = PortFamily(
            CounterMetricFamily,
            "nodeproxy_own_policy_calls",
            "Calls of policies of one's own (own_policies): a request calls each of its functions once.",
            ("policy",),
        )
        self._own_seconds = PortFamily(
            CounterMetricFamily,
            "nodeproxy_own_policy_seconds",
            "Time that policies of one's own have added to requests, without what is inside of them.",
            ("policy",),
            fractions=True,
        )
        self._figures = PortFamily(
            GaugeMetricFamily,
            "nodeproxy_policy_state",
            "Figures of the state of policies, summed over the workers; docs/policies says what each means.",
            ("policy", "figure"),
            fractions=True,
        )

    def text(
        self,
        numbers: Numbers,
        policy_maps: Sequence[PolicyMap],
        limit_servers: Mapping[str, bool] = MappingProxyType({}),
        spans: SpanCounters = SpanCounters(),  # noqa: B008 - it has counted nothing, and is only read
        *,
        openmetrics: bool = False,
    ) -> bytes:
        """The page, in the text format of Prometheus or in OpenMetrics."""
        every = [(place_of(port.key), port) for port in sorted(ports_of(numbers), key=lambda port: port.key)]
        # one family at a time, because no other thread runs while a string of megabytes is made
        pieces = [(family.heads[openmetrics] + "".join(lines)).encode() for family, lines in self._of_ports(every)]
        rest = (
            _policy_accepted(policy_maps),
            _annotations_accepted(policy_maps),
            _limit_servers(limit_servers),
            *span_metrics(spans),
            *_process(numbers),
        )
        return b"".join((*pieces, rendered(rest, openmetrics=openmetrics)))

    def _of_ports(self, every: Placed) -> Iterator[tuple[PortFamily, list[str]]]:
        ports = [(place, port) for place, port in every if port.key != UNROUTED]
        requests = self._requests.lines
        yield self._requests, [line for at, port in every for line in requests(at, port.counters.requests)]
        yield self._durations, [line for at, port in ports for line in self._histogram(at, port)]
        for family, value in self._numbers:
            yield family, [family.line(at, value(port)) for at, port in ports]
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

    def _histogram(self, place: Place, port: Port) -> list[str]:
        return self._durations.histogram(place, list(accumulate(port.counters.durations)), port.counters.seconds)


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


def _numbers() -> Sequence[tuple[PortFamily, Callable[[Port], int]]]:
    """The families that have one number for each service port."""
    counter, gauge = CounterMetricFamily, GaugeMetricFamily
    return (
        (
            PortFamily(counter, "nodeproxy_retries", "Attempts after the first of a request."),
            lambda port: port.counters.retries,
        ),
        (
            PortFamily(counter, "nodeproxy_outlier_ejections", "Ejections of endpoints by outlier detection."),
            lambda port: port.counters.ejections,
        ),
        (PortFamily(gauge, "nodeproxy_requests_active", "Requests in flight."), lambda port: port.state.active),
        (
            PortFamily(gauge, "nodeproxy_endpoints", "Endpoints of the service port in the table."),
            lambda port: port.state.endpoints,
        ),
        (
            PortFamily(gauge, "nodeproxy_endpoints_usable", "Endpoints neither ejected nor unhealthy."),
            lambda port: port.state.usable,
        ),
    )


def _counts(family: PortFamily, ports: Placed, counts: Callable[[Port], Mapping[str, int]]) -> list[str]:
    """The lines of a family with one further label, whose values and numbers are `counts`."""
    return [line for at, port in ports for line in family.counts(at, counts(port))]


def _process(numbers: Numbers) -> Iterator[Metric]:
    lives = [life.process.counters for life in numbers.workers if life.process is not None]
    node = processes_added((numbers.past_process, *lives))
    state = state_of_all(numbers)
    connected = sum(life.connection is not None for life in numbers.workers)
    for name, text, value in (
        ("workers", "Workers connected to discovery.", connected),
        ("downstream_connections", "Open downstream connections.", state.connections),
        (
            "downstream_connections_limit",
            "Limit of concurrent downstream connections.",
            state.connections_limit,
        ),
        ("udp_sessions_limit", "Limit of concurrent UDP sessions.", state.udp_sessions_limit),
        ("open_files_limit", "Limit of open files of a worker (RLIMIT_NOFILE).", state.open_files_limit),
        (
            "virtual_listeners_missing",
            "Virtual addresses without a listener; the log has the reason.",
            state.listeners_missing,
        ),
        (
            "table_age_seconds",
            "Time since discovery last confirmed the table; +Inf before the first table.",
            inf if state.table_age_s is None else state.table_age_s,
        ),
    ):
        yield GaugeMetricFamily(f"nodeproxy_{name}", text, value)
    for name, text, value in (
        ("downstream_connections_accepted", "Downstream connections accepted.", node.accepted),
        ("downstream_connections_evicted", "Idle downstream connections closed at the limit.", node.evicted),
        (
            "connect_requests",
            "CONNECT requests accepted; refused ones count in nodeproxy_requests.",
            node.connects,
        ),
        ("http2_connections_accepted", "Downstream connections over HTTP/2.", node.http2_accepted),
        (
            "http2_streams_refused",
            "HTTP/2 streams refused because their connection had http2_streams_limit requests.",
            node.http2_refused,
        ),
        (
            "http2_floods",
            "HTTP/2 downstream connections closed for floods of frames, quick resets or header bombs.",
            node.http2_floods,
        ),
        ("unexpected_errors", "Exceptions that indicate a bug; the log has the traceback.", node.bugs),
        ("table_updates", "Updates from discovery installed in the table.", node.updates),
        ("table_updates_rejected", "Updates from discovery rejected as invalid.", node.updates_rejected),
        (
            "access_log_lines_dropped",
            "Access log lines dropped because their buffer was full.",
            node.log_lines_dropped,
        ),
        (
            "samples_dropped",
            "Recorded exchanges that a worker dropped because its samples for traces and tap were not taken in time.",
            node.samples_dropped,
        ),
        (
            "limit_buckets_evicted",
            "Buckets of rateLimit that lost their place to another key before they were full again.",
            node.buckets_evicted,
        ),
    ):
        yield CounterMetricFamily(f"nodeproxy_{name}", text, value)
    yield _labelled(
        "socket_shortages", "Sockets not opened for lack of a descriptor or memory.", "purpose", node.shortages
    )
    yield _labelled(
        "reactor_slow_turns",
        "Reactor turns by the highest bound they reached.",
        "at_least_seconds",
        node.slow_turns,
    )


def _annotations_accepted(maps: Sequence[PolicyMap]) -> Metric:
    family = GaugeMetricFamily(
        "nodeproxy_annotations_accepted",
        "0 if a part of the annotations of a Service was rejected, 1 if no longer; its events have the reason.",
        labels=["namespace", "service"],
    )
    for each in maps:
        if each.kind == "Service":
            family.add_metric([each.namespace, each.name], each.accepted)
    return family


def _policy_accepted(maps: Sequence[PolicyMap]) -> Metric:
    family = GaugeMetricFamily(
        "nodeproxy_policy_accepted",
        "1 if the whole policy map is in force, 0 if a part was rejected; its events have the reason.",
        labels=["namespace", "configmap"],
    )
    for each in maps:
        if each.kind == "ConfigMap":
            family.add_metric([each.namespace, each.name], each.accepted)
    return family


def _limit_servers(servers: Mapping[str, bool]) -> Metric:
    family = GaugeMetricFamily(
        "nodeproxy_limit_server_up",
        "1 if the server of a rateLimit.global answers, 0 if not: then nodes use their share or refuse.",
        labels=["server"],
    )
    for url, up in servers.items():
        family.add_metric([url], up)
    return family


def _labelled(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"nodeproxy_{name}", text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
