"""Asks the control process of the running node, and shows what it answers."""

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table

from nodeproxy.mesh.node_view import SOCKET, NodeStatus, PortView

LIMIT_S = 30.0  # as long as the control process takes for a page at most


class NoAnswer(Exception):
    """The control process does not answer; the text has the reason and what to check."""


def ask(run_dir: str, page: str) -> bytes:
    """The JSON of a page, such as `status`, with its query.

    Raises:
        NoAnswer: `run_dir` is "", no control process listens there, or it refuses: then with its own words.
    """
    if not run_dir:
        raise NoAnswer("the setting run_dir names the directory of the running node's socket; set it as for `run`")
    path = str(Path(run_dir) / SOCKET)
    connection = http.client.HTTPConnection("node", timeout=LIMIT_S)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(LIMIT_S)
        connection.sock.connect(path)
        connection.request("GET", f"/{page}")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(f"{path}: {error}; check that nodeproxy runs and that this user is its user") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise NoAnswer(body.decode(errors="replace").strip())
    return body


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
    yield f"services: {status.services}, of {status.unsubscribed} of them the endpoints are not followed"
    if status.restored:
        yield "they are the last good state on disk: the source has not been in sync yet"
    yield from (f"worker {number} did not answer in time" for number in status.silent)


def services_table(text: bytes) -> Table:
    """`services` for a reader."""
    found = table("service", "port", "endpoints", "usable", "active", "requests", "5xx", "retries", "connections")
    for each in msgspec.json.decode(text, type=list[PortView]):
        requests = (each.active, each.requests, each.errors, each.retries)
        numbers = (each.endpoints, each.usable, *requests, each.connections)
        found.add_row(f"{each.service}.{each.namespace}", each.port, *map(str, numbers))
    return found


def table(*titles: str) -> Table:
    """An empty table with these columns."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, title_justify="left")
    for title in titles:
        made.add_column(title)
    return made
