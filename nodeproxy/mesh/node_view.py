"""What the control process answers to the command line."""

import msgspec

from nodeproxy.mesh.wire import Watched

SOCKET = "control.sock"
"""The name of the Unix socket in `run_dir`; only the user of the proxy can connect to it."""


class WorkerView(msgspec.Struct, frozen=True):
    """One worker."""

    number: int
    pid: int
    connected: bool
    report_age_s: float | None
    """Since its last report, None before the first."""
    connections: int


class NodeStatus(msgspec.Struct, frozen=True):
    """One node."""

    workers: tuple[WorkerView, ...]
    table_age_s: float | None
    """Of the oldest table of a connected worker, None if one has none."""
    watches: tuple[Watched, ...]


class PortView(msgspec.Struct, frozen=True):
    """One service port, summed over the workers. `errors` are responses of 500 and above."""

    namespace: str
    service: str
    port: str
    endpoints: int
    usable: int
    active: int
    requests: int
    errors: int
    retries: int
