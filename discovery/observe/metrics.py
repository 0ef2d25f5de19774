"""The workers' reports as Prometheus metric families: one page for the whole node.

Labels are bounded: services, statuses, policy maps.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from discovery.workers.reports import Numbers, ports_added, processes_added, state_of_all
from nodeproxy.mesh.reports import LATENCY_BOUNDS_S, UNROUTED, PortCounters, PortKey, PortState
from nodeproxy.mesh.wire import PolicyMap

SERVICE = ("namespace", "service", "port")
NO_PORT = PortState()


@dataclass(frozen=True, slots=True)
class Port:
    """One service port, summed over the workers."""

    key: PortKey
    counters: PortCounters
    state: PortState


class NodeCollector(Collector):
    """All families of one node."""

    def __init__(self, numbers: Numbers, policy_maps: Sequence[PolicyMap], limit_servers: Mapping[str, bool]) -> None:
        self._numbers = numbers
        self._limit_servers = limit_servers
        self._policy_maps = policy_maps

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        every = sorted(ports_of(self._numbers), key=lambda port: port.key)
        ports = [port for port in every if port.key != UNROUTED]
        yield _requests(every)
        yield _durations(ports)
        yield _counter("retries", "Attempts after the first of a request.", ports, lambda port: port.counters.retries)
        yield _counter(
            "outlier_ejections",
            "Ejections of endpoints by outlier detection.",
            ports,
            lambda port: port.counters.ejections,
        )
        yield _gauge("requests_active", "Requests in flight.", ports, lambda port: port.state.active)
        yield _gauge("endpoints", "Endpoints of the service port in the table.", ports, lambda p: p.state.endpoints)
        yield _gauge("endpoints_usable", "Endpoints neither ejected nor unhealthy.", ports, lambda p: p.state.usable)
        yield from _tunnels(ports)
        yield from _policies(ports)
        yield _policy_accepted(self._policy_maps)
        yield _limit_servers(self._limit_servers)
        yield from self._process()

    def _process(self) -> Iterator[Metric]:
        lives = [life.process.counters for life in self._numbers.workers if life.process is not None]
        node = processes_added((self._numbers.past_process, *lives))
        state = state_of_all(self._numbers)
        connected = sum(life.connection is not None for life in self._numbers.workers)
        for name, text, value in (
            ("workers", "Workers connected to discovery.", connected),
            ("downstream_connections", "Open downstream connections.", state.connections),
            (
                "downstream_connections_limit",
                "Limit of concurrent downstream connections.",
                state.connections_limit,
            ),
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
            ("unexpected_errors", "Exceptions that indicate a bug; the log has the traceback.", node.bugs),
            ("table_updates", "Updates from discovery installed in the table.", node.updates),
            ("table_updates_rejected", "Updates from discovery rejected as invalid.", node.updates_rejected),
            (
                "access_log_lines_dropped",
                "Access log lines dropped because their buffer was full.",
                node.log_lines_dropped,
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


def ports_of(numbers: Numbers) -> Iterator[Port]:
    """Every service port: counters added, requests in flight added, endpoints as the worker that has most of them.

    All workers have the same table, but not in the same instant; of two with equally many endpoints the one with fewer
    usable ones counts.
    """
    counters = {key: [past] for key, past in numbers.past_ports.items()}
    states: dict[PortKey, list[PortState]] = {}
    for life in numbers.workers:
        for key, report in life.ports.items():
            counters.setdefault(key, []).append(report.counters)
            if life.connection is not None:
                states.setdefault(key, []).append(report.state)
    for key, each in counters.items():
        now = states.get(key, [NO_PORT])
        active, tunnels = sum(state.active for state in now), sum(state.tunnels for state in now)
        most = max(now, key=lambda state: (state.endpoints, -state.usable))
        yield Port(key, ports_added(each), PortState(active, most.endpoints, most.usable, tunnels, _figures_added(now)))


def _requests(ports: list[Port]) -> Metric:
    family = CounterMetricFamily(
        "nodeproxy_requests",
        "Completed requests. reason is empty if the response came from an endpoint.",
        labels=[*SERVICE, "status", "reason", "source_namespace", "source_workload"],
    )
    for port in ports:
        for (status, reason, *caller), number in sorted(port.counters.requests):
            family.add_metric([*port.key, str(status), reason, *caller], number)
    return family


def _durations(ports: list[Port]) -> Metric:
    family = HistogramMetricFamily(
        "nodeproxy_request_duration_seconds",
        "Time from the request's head to the response's last byte.",
        labels=SERVICE,
    )
    for port in ports:
        total, buckets = 0, []
        for bound, number in zip((*LATENCY_BOUNDS_S, inf), port.counters.durations, strict=True):
            total += number
            buckets.append(("+Inf" if bound == inf else f"{bound:g}", total))
        family.add_metric(port.key, buckets, port.counters.seconds)
    return family


def _tunnels(ports: list[Port]) -> Iterator[Metric]:
    active = GaugeMetricFamily(
        "nodeproxy_tunnels_active", "Connections upgraded to another protocol (101), open now.", labels=SERVICE
    )
    ended = CounterMetricFamily(
        "nodeproxy_tunnels_ended",
        "Upgraded connections that have ended. reason is empty if both sides closed.",
        labels=[*SERVICE, "reason"],
    )
    relayed = CounterMetricFamily(
        "nodeproxy_tunnel_bytes", "Bytes relayed on upgraded connections.", labels=[*SERVICE, "direction"]
    )
    for port in ports:
        if port.counters.tunnel_bytes:
            active.add_metric(port.key, port.state.tunnels)
        for reason, number in sorted(port.counters.tunnels_ended.items()):
            ended.add_metric([*port.key, reason], number)
        for direction, number in sorted(port.counters.tunnel_bytes.items()):
            relayed.add_metric([*port.key, direction], number)
    yield from (active, ended, relayed)


def _figures_added(states: Sequence[PortState]) -> dict[str, dict[str, float]]:
    added: dict[str, dict[str, float]] = {}
    for state in states:
        for policy, figures in state.figures.items():
            of_policy = added.setdefault(policy, {})
            for name, value in figures.items():
                of_policy[name] = of_policy.get(name, 0.0) + value
    return added


def _policies(ports: list[Port]) -> Iterator[Metric]:
    decisions = CounterMetricFamily(
        "nodeproxy_policy_decisions",
        "Decisions of policies; mode is shadow for what a policy that is not enforced would have done.",
        labels=[*SERVICE, "policy", "outcome", "mode"],
    )
    figures = GaugeMetricFamily(
        "nodeproxy_policy_state",
        "Figures of the state of policies, summed over the workers; docs/policies says what each means.",
        labels=[*SERVICE, "policy", "figure"],
    )
    for port in ports:
        for decision, number in sorted(port.counters.decisions):
            decisions.add_metric([*port.key, *decision], number)
        for policy, of_policy in sorted(port.state.figures.items()):
            for name, value in sorted(of_policy.items()):
                figures.add_metric([*port.key, policy, name], value)
    yield from (decisions, figures)


def _policy_accepted(maps: Sequence[PolicyMap]) -> Metric:
    family = GaugeMetricFamily(
        "nodeproxy_policy_accepted",
        "1 if the whole policy map is in force, 0 if a part was rejected; its events have the reason.",
        labels=["namespace", "configmap"],
    )
    for each in maps:
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


def _counter(name: str, text: str, ports: list[Port], value: Callable[[Port], int]) -> Metric:
    family = CounterMetricFamily(f"nodeproxy_{name}", text, labels=SERVICE)
    for port in ports:
        family.add_metric(port.key, value(port))
    return family


def _gauge(name: str, text: str, ports: list[Port], value: Callable[[Port], int]) -> Metric:
    family = GaugeMetricFamily(f"nodeproxy_{name}", text, labels=SERVICE)
    for port in ports:
        family.add_metric(port.key, value(port))
    return family
