"""`connectionPool`: limits on the connections to a service port, and on the requests on them.

`connection_limits` counts them; `upstream.pool` obeys it.
"""

from math import inf
from typing import Annotated

from pydantic import Field

from nodeproxy.exchange.exchange import Tools
from nodeproxy.policies.block import Duration, Policy, PolicySettings
from nodeproxy.policies.connection_limits import Bounds, ConnectionLimits

Most = Annotated[int, Field(ge=1, le=1_000_000)]


class ConnectionPoolSettings(PolicySettings):
    """Limits of one service port on this node; a field that is not set is no limit.

    The workers of a node divide a limit among themselves, and each has at least 1. As in Istio's `connectionPool`, an
    overflow is answered with 503 at once (`x-mesh-error: connection-pool-full`).
    """

    max_connections: Most | None = None
    """Connections to all endpoints together. A request beyond them waits for a connection; an idle one of another
    endpoint makes way. Of a UDP port the sessions are counted, and one beyond them is refused."""
    max_pending_requests: Annotated[int, Field(ge=0, le=1_000_000)] = 1024
    """Requests that wait for a connection, first come, first served, each within its `timeouts`. Envoy's default."""
    max_requests: Most | None = None
    """Requests under way, without those that wait."""
    max_requests_per_connection: Most | None = None
    """Requests on one connection, which is closed after them. 1 switches reuse off."""
    idle_timeout_s: Annotated[Duration, Field(gt=0)] = 60.0
    """How long a connection may be idle; at most 60 s, and less where the endpoint announces less in its field
    `Keep-Alive: timeout=N`, which is obeyed without this policy too."""
    drain_s: Duration = 0.0
    """How long a TCP connection goes on when its endpoint has left the service; 0: until one of its ends closes it, as
    in kube-proxy. What is left then is reset, with the reason `endpoint-left`."""


def bounds(settings: ConnectionPoolSettings, workers: int) -> Bounds:
    """The limits of one of so many workers; in shadow mode those alone that are decisions, which can be counted."""

    shadow = settings.mode == "shadow"

    def share(most: int | None, least: int = 1) -> float:
        return inf if most is None else max(most // workers, least)

    return Bounds(
        connections=share(settings.max_connections),
        pending=share(settings.max_pending_requests, min(1, settings.max_pending_requests)),
        requests=share(settings.max_requests),
        requests_per_connection=inf
        if shadow or settings.max_requests_per_connection is None
        else settings.max_requests_per_connection,
        idle_s=inf if shadow else settings.idle_timeout_s,
        drain_s=inf if shadow else settings.drain_s or inf,
    )


def limits(settings: ConnectionPoolSettings, _before: ConnectionLimits | None, tools: Tools) -> ConnectionLimits:
    """The limits in force; they count the connections that are open when they are installed."""
    return ConnectionLimits(bounds(settings, tools.workers), tools.decisions)


def numbers(limits: ConnectionLimits) -> dict[str, float]:
    """What is exported of the limits."""
    return {"connections": limits.connections, "busy": limits.busy, "waiting": limits.waiting}


POLICY: Policy = Policy(
    "connectionPool",
    ConnectionPoolSettings,
    connections=True,
    touches=("datagrams",),
    state=limits,
    outcomes={
        "queued": "waited for a connection: `maxConnections` were open and none was idle",
        "max-connections": "a UDP session beyond `maxConnections` was refused; in shadow mode: one more was opened",
        "max-pending": "answered with 503: `maxPendingRequests` waited already",
        "max-requests": "answered with 503: `maxRequests` were under way",
    },
    numbers=numbers,
    figures={
        "connections": "open connections to endpoints, and those being opened",
        "busy": "requests under way on them",
        "waiting": "requests that wait for a connection",
    },
)
