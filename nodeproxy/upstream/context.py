"""What all connection pools of a worker share."""

from dataclasses import dataclass

from nodeproxy.io.reactor import Reactor
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2.limits import HTTP2_LIMITS, Http2Limits
from nodeproxy.upstream.idle import IdleConnections


@dataclass(frozen=True, slots=True)
class UpstreamContext:
    """What a pool and its connections use of the worker."""

    reactor: Reactor
    all_idle: IdleConnections
    head_limits: HeadLimits
    http2: Http2Limits = HTTP2_LIMITS
