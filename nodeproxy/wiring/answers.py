"""The worker's answers to the questions of the control process; see `mesh.questions`."""

from collections.abc import Callable, Iterator

from nodeproxy.balance.health import usable
from nodeproxy.balance.standing import standing
from nodeproxy.mesh.questions import (
    ENDPOINTS_MOST,
    SUBSCRIPTIONS_MOST,
    Endpoints,
    EndpointsOf,
    EndpointState,
    PortEndpoints,
    SubscriptionAge,
    Subscriptions,
    SubscriptionsNow,
)
from nodeproxy.table.builder import Live
from nodeproxy.upstream.clusters import Clusters
from nodeproxy.upstream.endpoint import Endpoint


class Answers:
    """Reads the table and its clusters for each question; nothing is counted in advance."""

    def __init__(self, live: Live, clusters: Clusters, now: Callable[[], float]) -> None:
        self._live = live
        self._clusters = clusters
        self._now = now

    def __call__(self, question: EndpointsOf | SubscriptionsNow) -> Endpoints | Subscriptions:
        """The answer to `question`."""
        if isinstance(question, EndpointsOf):
            return Endpoints(tuple(self._ports(question)))
        return self._subscriptions(question.service)

    def _ports(self, question: EndpointsOf) -> Iterator[PortEndpoints]:
        room, now = ENDPOINTS_MOST, self._now()
        for key, route in self._live.table.routes.get(question.service, {}).items():
            cluster = self._clusters.get(route.name)
            if cluster is None or question.port not in (0, route.port.number):
                continue
            endpoints = cluster.endpoints
            if len(endpoints) > room:
                endpoints = sorted(endpoints, key=lambda endpoint: usable(endpoint.health, now))[:room]
            room -= len(endpoints)
            states = tuple(state_of(endpoint, now) for endpoint in endpoints)
            yield PortEndpoints(key, states, len(cluster.endpoints) - len(endpoints))

    def _subscriptions(self, service: str) -> Subscriptions:
        now = self._now()
        every = sorted(each for each in self._live.subscriptions if service in ("", each[0]))
        some = every[:SUBSCRIPTIONS_MOST]
        ages = (SubscriptionAge(key, now - use.since, now - use.seen) for key, use in some)
        return Subscriptions(tuple(ages), len(every) - len(some))


def state_of(endpoint: Endpoint, now: float) -> EndpointState:
    """`endpoint` as it is at `now`, monotonic seconds."""
    seen = standing(endpoint.health, now)
    return EndpointState(
        *endpoint.address,
        endpoint.distance,
        endpoint.active,
        sum(pool.idle_count for pool in endpoint.pools),
        seen.ejected_s,
        seen.ejections,
        seen.unhealthy,
        seen.outlier_why if endpoint.health.outlier_until > now else "",
        seen.errors,
        seen.success_rate,
        seen.weight,
        seen.latency_s,
    )
