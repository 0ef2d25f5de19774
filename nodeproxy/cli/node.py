"""Shows what the control process answers about the node: `status`, `services`."""

from collections.abc import Iterator

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table

from nodeproxy.mesh.node_view import NodeStatus, PortView


def status_shown(text: bytes) -> Iterator[Table | str]:
    """`status` for a reader: workers, watches, subscriptions, callers."""
    status = msgspec.json.decode(text, type=NodeStatus)
    workers = table("worker", "pid", "connected", "reported s ago", "connections", "UDP sessions", "listeners missing")
    for each in status.workers:
        age = "never" if each.report_age_s is None else f"{each.report_age_s:.1f}"
        connected, numbers = (
            "yes" if each.connected else "no",
            (each.connections, each.udp_sessions, each.listeners_missing),
        )
        workers.add_row(str(each.number), str(each.pid), connected, age, *map(str, numbers))
    yield workers
    yield from _summary(status)
    watches = table("watch", "why", "objects", "error")
    for watch in status.watches:
        watches.add_row(watch.what, watch.why, str(watch.objects), watch.error)
    subscriptions = table("subscription", "workers", "for s", "last seen in use s ago")
    for each_of in status.subscriptions:
        numbers_of = ", ".join(map(str, each_of.workers))
        subscriptions.add_row(each_of.service, numbers_of, f"{each_of.since_s:.0f}", f"{each_of.unused_s:.0f}")
    rollouts = table("rollout", "state", "for s")
    for rollout in status.rollouts:
        rollouts.add_row(rollout.service, rollout.state, f"{rollout.for_s:.0f}")
    callers = table("caller", "namespace", "workload")
    for caller in status.callers:
        callers.add_row(caller.address, caller.namespace, caller.workload)
    yield from (each_table for each_table in (watches, rollouts, subscriptions, callers) if each_table.row_count)


def _summary(status: NodeStatus) -> Iterator[str]:
    age_s = status.table_age_s
    yield "no table yet" if age_s is None else f"the table was confirmed {age_s:.1f} s ago"
    not_followed = f"; of {status.unsubscribed}, which no pod here calls, the endpoints are not followed"
    yield f"services in the mesh: {status.services}{not_followed if status.unsubscribed else ''}"
    if status.restored:
        yield "they are the last good state on disk: the source has not been in sync yet"
    yield from (f"worker {number} did not answer in time" for number in status.silent)


def services_shown(text: bytes) -> Iterator[Table | str]:
    """`services` for a reader."""
    views = msgspec.json.decode(text, type=list[PortView])
    found = table(
        "service", "port", "protocol", "address", "endpoints", "usable", "active", "requests", "5xx", "retries",
        "connections",
    )  # fmt: skip
    for each in views:
        what = (f"{each.service}.{each.namespace}", each.port, each.protocol, each.address or "-")
        endpoints = (str(each.endpoints), str(each.usable)) if each.subscribed else ("not followed", "-")
        numbers = (each.active, each.requests, each.errors, each.retries, each.connections)
        found.add_row(*what, *endpoints, *map(str, numbers))
    if views:
        yield found
    else:
        yield "no service has been called from this node; `nodeproxy services --all` lists those that can be called"


def table(*titles: str) -> Table:
    """An empty table with these columns."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, title_justify="left")
    for title in titles:
        made.add_column(title)
    return made
