"""Makes the parts of a worker from the settings of the process. Each part gets its own values, never all settings."""

import random
from collections.abc import Callable
from ipaddress import ip_network

from nodeproxy.exchange.tracing import Tracing
from nodeproxy.io.capacity import Capacity, open_files
from nodeproxy.io.reactor import Reactor
from nodeproxy.limits.buckets import Buckets
from nodeproxy.limits.memory import Memory
from nodeproxy.mesh.callers import Callers
from nodeproxy.mesh.trust import Trust
from nodeproxy.policies.registry import BUILT_IN, Registry
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2.limits import Http2Limits
from nodeproxy.setting_text import split_sources
from nodeproxy.settings import Settings, own_addresses, own_ranges
from nodeproxy.wiring.contexts import ClientSettings
from nodeproxy.wiring.data_plane import DataPlane, Node, Surroundings


def data_plane_of(
    settings: Settings, limits: Memory, on_bug: Callable[[BaseException], None], registry: Registry = BUILT_IN
) -> DataPlane:
    """The data plane of a worker, on the real clock. `on_bug` is called with each unexpected exception.

    `limits` is the memory in which all workers of the node count, `registry` has the policies of the node.
    """
    reactor = Reactor(on_error=on_bug)
    return DataPlane(
        Surroundings(reactor, random.Random(), reactor.sleep, on_bug),
        _node_of(settings, Buckets(limits, locked=settings.workers > 1), registry),
        Capacity(open_files(), settings.downstream_connections_limit, settings.udp_sessions_limit),
        _head_limits_of(settings),
        Http2Limits(settings.http2_streams_limit, settings.http2_window_bytes, settings.http2_quick_resets_limit),
    )


def client_settings_of(settings: Settings) -> ClientSettings:
    """How clients of the mesh are served."""
    return ClientSettings(
        head_timeout_s=settings.head_timeout_s,
        idle_timeout_s=settings.downstream_idle_timeout_s,
        half_close_is_gone=settings.abort_on_half_close,
        trusts_forwarded=bool(settings.trust_forwarded),
        via=settings.via,
        troubleshooting_url=settings.troubleshooting_url,
        trace_sample_ratio=0.0 if settings.otlp_endpoint else settings.trace_sample_ratio,  # else `Tracing` decides
    )


def tracing_of(settings: Settings, plane: DataPlane) -> Tracing:
    """Decides which exchanges of `plane` have spans."""
    return Tracing(plane.random, settings.trace_sample_ratio, settings.trace_b3)


def _node_of(settings: Settings, buckets: Buckets, registry: Registry) -> Node:
    return Node(
        Callers(tuple(map(ip_network, own_ranges(settings))), Trust(*split_sources(settings.trust_forwarded))),
        own_addresses(settings),
        settings.default_namespace,
        settings.cluster_domain,
        settings.workers,
        buckets,
        settings.also_zones,
        registry,
    )


def _head_limits_of(settings: Settings) -> HeadLimits:
    return HeadLimits(settings.head_limit_bytes, settings.head_limit_fields, settings.line_limit_bytes)
