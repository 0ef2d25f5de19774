"""`timeouts`: limits on the duration of a request, of an attempt, of a connect and of idleness."""

from math import inf

from pydantic import model_validator

from nodeproxy.exchange.exchange import Handler, Tools
from nodeproxy.policies.attempt_timeout import AttemptTimeout
from nodeproxy.policies.block import Duration, Policy, PolicySettings
from nodeproxy.policies.deadlines import Deadlines, Limits
from nodeproxy.policies.overruns import AttemptOverruns, Overruns


class TimeoutsSettings(PolicySettings):
    """How long things may take; 0 switches one limit off. What exceeds one is answered with 504, or DEADLINE_EXCEEDED.

    The deadline of a gRPC client, `grpc-timeout`, holds beside them, for the whole call, and whatever they say. It is
    passed on shortened by the time used.

    In shadow mode no deadline is set, and exchanges that would have passed one are counted; a connect then ends when
    the kernel gives up, and is not counted.
    """

    response_head_s: Duration = 15.0
    """From the last byte of the request to the head of the response, retries included; a download or a stream of events
    may last longer. gRPC servers send the head with the first message: a service whose streams may begin with a longer
    silence needs more. Precedent: Envoy's route timeout, which counts the body too."""
    request_s: Duration = 0.0
    """From the last byte of the request to the last byte of the response. Precedent: Gateway API's
    `timeouts.request`, also without a default."""
    backend_request_s: Duration = 0.0
    """One attempt: from choosing its endpoint to the head of its response; for a body that is still arriving, from its
    last byte. A passed limit is the condition `timeout` of `retries`. At most `request`, and without effect beyond
    `responseHead`. Precedent: Gateway API's `timeouts.backendRequest`."""
    idle_s: Duration = 300.0
    """Without a byte that moves, in either direction; a gRPC stream ends with UNAVAILABLE, whose client calls again.
    Precedent: Envoy's `stream_idle_timeout`."""
    connect_s: Duration = 5.0
    """One attempt to connect to an endpoint; for a TCP connection also how long it may wait for a place at
    `connectionPool.maxConnections`. Precedent: Envoy's and Consul's connect timeouts."""
    tcp_idle_s: Duration = 3600.0
    """A TCP connection without a byte that moves, in either direction: both sides are closed then. Precedent: Envoy's
    `idle_timeout` of its TCP proxy, and Istio's."""

    udp_idle_s: Duration = 60.0
    """Without a datagram of a UDP session, in either direction; then it ends, and the next one of its client begins
    a new session. In shadow mode it is 60 s: a session has no other end. Precedent: Envoy's UDP proxy."""

    @model_validator(mode="after")
    def _attempt_within_request(self) -> "TimeoutsSettings":
        if 0 < self.request_s < self.backend_request_s:
            raise ValueError("backendRequest is longer than request: an attempt cannot outlast its request")
        return self


def connect_limit_s(settings: TimeoutsSettings) -> float:
    """The limit on a connect in force, 0 where there is none."""
    return settings.connect_s if settings.mode == "enforce" else 0.0


def udp_idle_limit_s(settings: TimeoutsSettings) -> float:
    """The limit on the silence of a UDP session in force, infinite where there is none."""
    return (settings.udp_idle_s or inf) if settings.mode == "enforce" else TimeoutsSettings().udp_idle_s


def wrap(settings: TimeoutsSettings, inner: Handler, tools: Tools, _state: object = None) -> Handler:
    """`inner` with deadlines for head, request and idleness; the upstream applies `connect`."""
    request_s = settings.request_s or inf
    limits = Limits(min(settings.response_head_s or inf, request_s), request_s, settings.idle_s or inf)
    if limits.head_s == limits.idle_s == inf:
        return inner
    return Overruns(limits, inner, tools) if tools.decisions.shadow else Deadlines(limits, inner, tools)


def wrap_attempt(settings: TimeoutsSettings, inner: Handler, tools: Tools) -> Handler:
    """`inner` with the limit on an attempt."""
    limit_s = settings.backend_request_s
    if not limit_s:
        return inner
    if tools.decisions.shadow:
        return AttemptOverruns(limit_s, "backend-request", inner, tools)
    return AttemptTimeout(limit_s, "timeouts.backendRequest", "backend-request", inner, tools)


POLICY: Policy = Policy(
    "timeouts",
    TimeoutsSettings,
    wrap,
    default=True,
    touches=("connections", "datagrams"),
    wrap_attempt=wrap_attempt,
    outcomes={
        "response-head": "no response head within `responseHead`",
        "request": "no response head within `request`; in shadow mode, no whole response",
        "backend-request": "an attempt had no response head within `backendRequest`",
        "grpc-timeout": "no response head within the deadline of a gRPC client",
        "idle": "no byte moved for `idle` before the response's head; in shadow mode, also after it",
        "tcp-idle": "no byte of a TCP connection moved for `tcpIdle`",
    },
)
