"""The service ports in force, with their clusters: their numbers, their use, the endpoints to probe."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nodeproxy.balance.health import usable
from nodeproxy.control.probes import Target
from nodeproxy.control.reports import PortNumbers
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.mesh.reports import PortKey, PortState
from nodeproxy.mesh.subscriptions import Usage
from nodeproxy.policies.block import Policy
from nodeproxy.policies.health_check import HealthCheckSettings
from nodeproxy.protocol.proxy_v2 import LOCAL
from nodeproxy.table.builder import Live
from nodeproxy.table.table import Route
from nodeproxy.telemetry.stats import RouteStats
from nodeproxy.upstream.cluster import Cluster
from nodeproxy.upstream.clusters import Clusters
from nodeproxy.upstream.endpoint import Endpoint


class ServicePorts:
    """Joins the routes of the table with their clusters."""

    def __init__(self, live: Live, clusters: Clusters, now: Callable[[], float]) -> None:
        self._live = live
        self._clusters = clusters
        self._now = now

    def numbers(self, service: str) -> Iterator[PortNumbers]:
        """The ports of the service with this key, as they are reported."""
        now = self._now()
        for route in self._live.table.routes.get(service, {}).values():
            stats = route.stats
            if route.service.unsubscribed and not stats.requests and not (stats.connections or stats.udp):
                continue  # a cluster may have thousands of services that this node never calls
            cluster = self._cluster(route)
            endpoints, tunnels, connections = cluster.endpoints, stats.tunnels, stats.connections
            active = sum(endpoint.active for endpoint in endpoints) if route.port.takes_requests else 0
            if active and route.port.takes_connections:
                active -= sum(endpoint.connections for endpoint in endpoints)
            usable_now = cluster.usable_count(now)
            ejected, unhealthy = (0, 0) if usable_now == len(endpoints) else _unusable(endpoints, now)
            yield PortNumbers(
                PortKey(route.service.namespace, route.service.name, route.port.key),
                stats,
                cluster.ejections,
                PortState(
                    active,
                    len(endpoints),
                    usable_now,
                    tunnels.active if tunnels else 0,
                    _figures(route.states, self._live.registry.chain),
                    connections.active if connections else 0,
                    stats.udp.active if stats.udp else 0,
                    ejected,
                    unhealthy,
                ),
            )

    def usage(self, service: str) -> Usage | None:
        """How much the service with this key is used; None when it has left the mesh."""
        routes = self._live.table.routes.get(service)
        if routes is None:
            return None
        active = (endpoint.active for route in routes.values() for endpoint in self._cluster(route).endpoints)
        return Usage(sum(_used(route.stats) for route in routes.values()), sum(active))

    def probe_targets(self) -> Iterator[Target]:
        """The endpoints of all ports whose policies have them probed."""
        for route in self._live.table.probed:
            settings = route.settings.get("healthCheck")
            port, proxied = route.port, route.settings.get("proxyProtocol")
            if isinstance(settings, HealthCheckSettings) and (port.takes_requests or port.takes_connections):
                connects = not port.takes_requests or (port.takes_connections and not settings.asks)
                first = LOCAL if proxied is not None and proxied.mode == "enforce" else b""
                host = f"{route.service.name}.{route.service.namespace}.mesh".encode()
                cluster = self._cluster(route)
                count = Decisions(route.stats.decisions, "healthCheck", settings.mode).count
                for endpoint in cluster.endpoints:
                    http2 = port.protocol == "http2"
                    health, review = endpoint.health, cluster.review
                    yield Target(endpoint.name, host, http2, health, settings, review, count, connects, first)

    def _cluster(self, route: Route) -> Cluster:
        return self._clusters.of(route.service, route.port)


def _unusable(endpoints: Sequence[Endpoint], now: float) -> tuple[int, int]:
    """How many endpoints are ejected, and how many unhealthy."""
    unhealthy = sum(endpoint.health.probes_down for endpoint in endpoints)
    return sum(not usable(each.health, now) for each in endpoints) - unhealthy, unhealthy


def _used(stats: RouteStats) -> int:
    """How often the service port was used: by requests, connections and datagrams."""
    connections, udp = stats.connections, stats.udp
    used = sum(stats.requests.values()) + (sum(connections.ended.values()) if connections else 0)
    return used + (udp.datagrams_to_endpoint if udp else 0)


def _figures(states: Mapping[str, Any], chain: Sequence[Policy]) -> dict[str, dict[str, float]]:
    """What the policies with these states export."""
    if not states:
        return {}
    exporting = ((policy.name, policy.numbers) for policy in chain if policy.numbers is not None)
    return {name: dict(numbers(states[name])) for name, numbers in exporting if name in states}
