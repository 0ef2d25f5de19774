"""All endpoints of a worker, by route: reused while they stay in their service, closed when they are removed."""

import logging
from collections.abc import Callable, Container, Iterable, Sequence

from nodeproxy.balance.balancer import Balancer, Choose
from nodeproxy.balance.sticky import StickyBalancer, StickySessions
from nodeproxy.io.reactor import Reactor
from nodeproxy.mesh import model
from nodeproxy.upstream.endpoint import Endpoint
from nodeproxy.upstream.idle import IdleConnections

Address = tuple[str, int]
log = logging.getLogger(__name__)


class Clusters:
    """Reuses the endpoints of a route, with their connections and health, in its next version."""

    def __init__(self, reactor: Reactor, all_idle: IdleConnections, own: Container[Address] = ()) -> None:
        self._reactor = reactor
        self._all_idle = all_idle
        self._own = own  # of this proxy; RFC 9110, 7.6: a request sent there would loop
        self._endpoints: dict[str, dict[Address, Endpoint]] = {}
        self._balancers: dict[str, Balancer[Endpoint]] = {}
        self._sessions: dict[str, StickySessions[Endpoint]] = {}
        self._past_ejections: dict[str, int] = {}

    def balancer(
        self, route: str, wanted: Sequence[model.Endpoint], choose: Choose[Endpoint], random: Callable[[], float]
    ) -> Balancer[Endpoint]:
        """The balancer of `route` over exactly the `wanted` endpoints."""
        before = self._endpoints.get(route, {})
        now = {}
        for endpoint in wanted:
            address = (endpoint.address, endpoint.port)
            if address in self._own:
                log.warning("%s: the endpoint %s:%d is this proxy itself; it is left out", route, *address)
                continue
            now[address] = before.get(address) or Endpoint(self._reactor, address, self._all_idle)
            now[address].distance = endpoint.distance
        self._endpoints[route] = now
        self._dismiss(route, (endpoint for address, endpoint in before.items() if address not in now))
        balancer = self._balancers[route] = Balancer(tuple(now.values()), choose, random)
        return balancer

    def balancer_for(
        self, service: model.Service, port: model.Port, pod: str, choose: Choose[Endpoint], random: Callable[[], float]
    ) -> Balancer[Endpoint] | StickyBalancer[Endpoint]:
        """The balancer of a service port or, if `pod` is a host name, of that pod of it.

        A pod's balancer shares the endpoints of the port's own balancer, which must be made first.
        """
        route = f"{service.key}:{port.key}"
        if pod:
            own = self._endpoints.get(route, {})
            addresses = ((each.address, each.port) for each in port.endpoints if each.hostname == pod)
            return Balancer([own[address] for address in addresses if address in own], choose, random)
        balancer = self.balancer(route, port.endpoints, choose, random)
        if not service.affinity_s:
            return balancer
        sessions = self._sessions.get(route)
        if sessions is None or sessions.timeout_s != service.affinity_s:
            sessions = self._sessions[route] = StickySessions(service.affinity_s)
        return StickyBalancer(balancer, sessions)

    def keep(self, exists: Callable[[str], bool]) -> None:
        """Remove the endpoints of all routes except those for whose name `exists` returns true."""
        for route in [route for route in self._endpoints if not exists(route)]:
            self._dismiss(route, self._endpoints.pop(route).values())
            del self._balancers[route], self._past_ejections[route]
            self._sessions.pop(route, None)

    def endpoints(self, route: str) -> Sequence[Endpoint]:
        """The current endpoints of `route`."""
        return tuple(self._endpoints.get(route, {}).values())

    def ejections(self, route: str) -> int:
        """The number of ejections of endpoints of `route`, removed endpoints included."""
        return self._past_ejections.get(route, 0) + sum(e.health.ejections for e in self.endpoints(route))

    def usable_count(self, route: str, now: float) -> int:
        """How many endpoints of `route` are usable at `now`, monotonic seconds."""
        return self._balancers[route].usable_count(now) if route in self._balancers else 0

    def review(self, route: str) -> None:
        """Update the balancer of `route` after the health of an endpoint has changed."""
        if route in self._balancers:
            self._balancers[route].review(self._reactor.clock())

    def _dismiss(self, route: str, leaving: Iterable[Endpoint]) -> None:
        past = self._past_ejections.get(route, 0)
        for endpoint in leaving:
            endpoint.leave()
            past += endpoint.health.ejections
        self._past_ejections[route] = past
