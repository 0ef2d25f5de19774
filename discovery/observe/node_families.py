"""The metrics of a node that belong to no service port: its processes, its table, where the table comes from."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from prometheus_client.core import Metric

from discovery.observe.families import Declared, declared
from discovery.observe.usage import Usage
from discovery.observe.view import Bounded, View
from discovery.workers.reports import state_of_all
from discovery.workers.sums import processes_added
from nodeproxy.mesh.reports import ProcessCounters, ProcessState
from nodeproxy.mesh.wire import WatchCounts

MAPS_MOST = 200  # policy maps, and Services with annotations, with a series each; rejected ones first
Sample = tuple[Sequence[str], float]


@dataclass(frozen=True, slots=True)
class _Node:
    view: View
    bounded: Bounded
    counters: ProcessCounters
    state: ProcessState


_Number = Callable[[_Node], float]
_Samples = Callable[[_Node], Iterable[Sample]]


def of_node(view: View, bounded: Bounded) -> Iterator[Metric]:
    """All families, with their samples."""
    numbers = view.numbers
    lives = [life.process.counters for life in numbers.workers if life.process is not None]
    node = _Node(view, bounded, processes_added((numbers.past_process, *lives)), state_of_all(numbers))
    for family, number in NUMBERS:
        yield declared(family, [((), number(node))])
    for family, samples in LABELLED:
        yield declared(family, samples(node))


def _gauge(name: str, text: str, number: _Number) -> tuple[Declared, _Number]:
    return Declared("gauge", f"nodeproxy_{name}", text), number


def _counter(name: str, text: str, number: _Number) -> tuple[Declared, _Number]:
    return Declared("counter", f"nodeproxy_{name}", text), number


def _table_age_s(node: _Node) -> float:
    return inf if node.state.table_age_s is None else node.state.table_age_s


NUMBERS: Sequence[tuple[Declared, _Number]] = (
    _gauge(
        "workers",
        "Workers connected to the control process.",
        lambda node: sum(life.connection is not None for life in node.view.numbers.workers),
    ),
    _counter(
        "worker_restarts",
        "Workers that ended and were replaced, since the start of the control process.",
        lambda node: node.view.numbers.restarts,
    ),
    _gauge("downstream_connections", "Open downstream connections.", lambda node: node.state.connections),
    _gauge(
        "downstream_connections_limit",
        "Limit of concurrent downstream connections.",
        lambda node: node.state.connections_limit,
    ),
    _gauge("udp_sessions_limit", "Limit of concurrent UDP sessions.", lambda node: node.state.udp_sessions_limit),
    _gauge(
        "open_files_limit",
        "Limit of open files of a worker (RLIMIT_NOFILE).",
        lambda node: node.state.open_files_limit,
    ),
    _gauge(
        "virtual_listeners_missing",
        "Virtual addresses without a listener; the log has the reason.",
        lambda node: node.state.listeners_missing,
    ),
    _gauge(
        "table_age_seconds",
        "Time since the control process last confirmed the table of the worker with the oldest one; +Inf before the "
        "first table.",
        _table_age_s,
    ),
    _gauge(
        "source_out_of_sync_seconds",
        "Time since the source (API server, folder) was last in sync; 0 while it is.",
        lambda node: node.view.source.out_of_sync_s,
    ),
    _gauge("services", "Services in the mesh.", lambda node: node.view.source.services),
    _gauge(
        "services_unsubscribed",
        "Services whose endpoints this node does not follow, because none of its pods calls them.",
        lambda node: node.view.source.unsubscribed,
    ),
    _gauge(
        "metrics_services_merged",
        "Service ports that are not told apart on this page: it has series for 1,000, and the rest is the service "
        "`other`.",
        lambda node: node.bounded.merged,
    ),
    _gauge(
        "metrics_reduced",
        "What this page leaves out, because it would be too large: 0 nothing; 1 unregistered statuses are one per "
        "class, such as 400; 2 callers too are `other`; 3 all statuses are one per class, and reasons `other`.",
        lambda node: node.bounded.step,
    ),
    _counter(
        "downstream_connections_accepted", "Downstream connections accepted.", lambda node: node.counters.accepted
    ),
    _counter(
        "downstream_connections_evicted",
        "Idle downstream connections closed at the limit.",
        lambda node: node.counters.evicted,
    ),
    _counter(
        "connect_requests",
        "CONNECT requests accepted; refused ones count in nodeproxy_requests.",
        lambda node: node.counters.connects,
    ),
    _counter(
        "http2_connections_accepted", "Downstream connections over HTTP/2.", lambda node: node.counters.http2_accepted
    ),
    _counter(
        "http2_streams_refused",
        "HTTP/2 streams refused because their connection had http2_streams_limit requests.",
        lambda node: node.counters.http2_refused,
    ),
    _counter(
        "http2_floods",
        "HTTP/2 downstream connections closed for floods of frames, quick resets or header bombs.",
        lambda node: node.counters.http2_floods,
    ),
    _counter(
        "unexpected_errors",
        "Exceptions that indicate a bug; the log has the traceback.",
        lambda node: node.counters.bugs,
    ),
    _counter("table_updates", "Updates installed in the tables of workers.", lambda node: node.counters.updates),
    _counter("table_updates_rejected", "Updates rejected as invalid.", lambda node: node.counters.updates_rejected),
    _counter(
        "access_log_lines_dropped",
        "Access log lines dropped because their buffer was full.",
        lambda node: node.counters.log_lines_dropped,
    ),
    _counter(
        "limit_buckets_evicted",
        "Buckets of rateLimit that lost their place to another key before they were full again.",
        lambda node: node.counters.buckets_evicted,
    ),
    _counter(
        "samples_dropped",
        "Recorded exchanges that a worker dropped because its samples for traces and tap were not taken in time.",
        lambda node: node.counters.samples_dropped,
    ),
    _counter("spans_exported", "Spans that the collector of traces has taken.", lambda node: node.view.spans.exported),
)
"""The families that have one number."""


def _of_maps(kind: str) -> _Samples:
    def samples(node: _Node) -> Iterable[Sample]:
        maps = [each for each in node.view.policy_maps if each.kind == kind]
        maps.sort(key=lambda each: each.accepted)
        return [((each.namespace, each.name), each.accepted) for each in maps[:MAPS_MOST]]

    return samples


def _map_totals(node: _Node) -> Iterable[Sample]:
    maps = node.view.policy_maps
    accepted = sum(each.accepted for each in maps)
    return (("true",), accepted), (("false",), len(maps) - accepted)


def _counts(of: Callable[[ProcessCounters], Mapping[str, int]]) -> _Samples:
    return lambda node: [((label,), number) for label, number in of(node.counters).items()]


def _watches(of: Callable[[WatchCounts], int]) -> _Samples:
    return lambda node: [((each.kind,), of(each)) for each in node.view.source.watches]


def _usage(of: Callable[[Usage], float | None]) -> _Samples:
    def samples(node: _Node) -> Iterator[Sample]:
        for each in node.view.usage:
            number = of(each)
            if number is not None:
                yield (each.process,), number

    return samples


LABELLED: Sequence[tuple[Declared, _Samples]] = (
    (
        Declared("counter", "nodeproxy_spans_dropped",
                 "Spans dropped: the queue was full, the collector rejected them, or it did not take them in time.",
                 ("reason",)),
        lambda node: [((reason,), number) for reason, number in node.view.spans.dropped.items()],
    ),
    (
        Declared("counter", "nodeproxy_socket_shortages", "Sockets not opened for lack of a descriptor or memory.",
                 ("purpose",)),
        _counts(lambda counters: counters.shortages),
    ),
    (
        Declared("counter", "nodeproxy_reactor_slow_turns",
                 "Turns of a worker's event loop by the highest bound they reached: while one lasts, requests wait.",
                 ("at_least_seconds",)),
        _counts(lambda counters: counters.slow_turns),
    ),
    (
        Declared("gauge", "nodeproxy_policy_accepted",
                 "1 if the whole policy map is in force, 0 if a part was rejected; its events have the reason. At most "
                 "200 maps, rejected ones first.", ("namespace", "configmap")),
        _of_maps("ConfigMap"),
    ),
    (
        Declared("gauge", "nodeproxy_annotations_accepted",
                 "0 if a part of the annotations of a Service was rejected, 1 if no longer; its events have the "
                 "reason. At most 200 Services.", ("namespace", "service")),
        _of_maps("Service"),
    ),
    (
        Declared("gauge", "nodeproxy_policy_maps", "Policy maps, and Services with annotations, by whether all of each "
                 "is in force.", ("accepted",)),
        _map_totals,
    ),
    (
        Declared("gauge", "nodeproxy_limit_server_up",
                 "1 if the server of a rateLimit.global answers, 0 if not: then nodes use their share or refuse.",
                 ("server",)),
        lambda node: [((url,), up) for url, up in node.view.limit_servers.items()],
    ),
    (
        Declared("counter", "nodeproxy_watch_lists",
                 "Lists of all objects of a kind, read from the API server: one at the start, and one each time a "
                 "watch could not go on.", ("kind",)),
        _watches(lambda each: each.lists),
    ),
    (
        Declared("counter", "nodeproxy_watch_errors",
                 "Lists and watches of a kind that the API server refused, or that failed.", ("kind",)),
        _watches(lambda each: each.errors),
    ),
    (
        Declared("gauge", "nodeproxy_build_info",
                 "1; its labels are what runs; `lane` is `compiled`, `c-helpers` (codecs, system calls) or `python`.",
                 ("version", "python", "lane")),
        lambda node: [(node.view.build, 1)] if node.view.build.version else [],
    ),
    (
        Declared("counter", "process_cpu_seconds", "User and system time of a process of the node.", ("process",)),
        _usage(lambda each: each.cpu_s),
    ),
    (
        Declared("gauge", "process_resident_memory_bytes",
                 "Resident memory of a process of the node; workers share parts of it.", ("process",)),
        _usage(lambda each: each.resident_bytes),
    ),
    (
        Declared("gauge", "process_open_fds", "Descriptors a process of the node has open.", ("process",)),
        _usage(lambda each: each.open_files),
    ),
    (
        Declared("gauge", "process_start_time_seconds", "When a process of the node started, Unix time.",
                 ("process",)),
        _usage(lambda each: each.started_at),
    ),
)  # fmt: skip
"""The families that have series by further labels."""
