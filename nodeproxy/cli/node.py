"""Asks the control process of the running node, and shows what it answers."""

import http.client
import socket
from pathlib import Path

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table

from nodeproxy.mesh.node_view import SOCKET, NodeStatus, PortView

LIMIT_S = 30.0  # as long as the control process takes for a page at most


class NoAnswer(Exception):
    """The control process does not answer; the text has the reason and what to check."""


def ask(run_dir: str, page: str) -> bytes:
    """The JSON of a page, `status` or `services`.

    Raises:
        NoAnswer: `run_dir` is "", no control process listens there, or it refuses.
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
        raise NoAnswer(f"{path}: {answer.status} {body.decode(errors='replace').strip()}")
    return body


def status_tables(text: bytes) -> list[Table]:
    """`status` for a reader: workers, then watches."""
    status = msgspec.json.decode(text, type=NodeStatus)
    workers = _table("worker", "pid", "connected", "reported s ago", "connections")
    for each in status.workers:
        age = "never" if each.report_age_s is None else f"{each.report_age_s:.1f}"
        workers.add_row(str(each.number), str(each.pid), "yes" if each.connected else "no", age, str(each.connections))
    age_s = status.table_age_s
    workers.caption = "no table yet" if age_s is None else f"the table was confirmed {age_s:.1f} s ago"
    watches = _table("watch", "why", "objects", "error")
    for watch in status.watches:
        watches.add_row(watch.what, watch.why, str(watch.objects), watch.error)
    return [workers, watches] if status.watches else [workers]


def services_table(text: bytes) -> Table:
    """`services` for a reader."""
    table = _table("service", "port", "endpoints", "usable", "active", "requests", "5xx", "retries")
    for each in msgspec.json.decode(text, type=list[PortView]):
        numbers = (each.endpoints, each.usable, each.active, each.requests, each.errors, each.retries)
        table.add_row(f"{each.service}.{each.namespace}", each.port, *map(str, numbers))
    return table


def _table(*titles: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title)
    return table
