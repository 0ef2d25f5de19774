"""The innermost handler of a UDP service port: a cluster for a session, and one of its endpoints.

It is no coroutine: to connect a datagram socket does not wait. What may wait, for endpoints that are unknown, is left
to the session, which holds its datagrams meanwhile.
"""

from collections.abc import Callable
from dataclasses import dataclass

from nodeproxy.errors import ConnectFailed, NoEndpoints, ProxyError
from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.reactor import Reactor
from nodeproxy.policies.filters import Admission
from nodeproxy.upstream.cluster import Cluster
from nodeproxy.upstream.split import Targets
from nodeproxy.upstream.subset import Group
from nodeproxy.upstream.udp_pool import UdpConnection
from nodeproxy.upstream.upstream import CONNECTS_MOST


@dataclass(frozen=True, slots=True)
class UdpUpstream:
    """Chooses for the sessions of one service port."""

    own: Cluster
    """Where sessions go, unless there is a split."""
    split: Targets | None
    admission: Admission
    """By the policies that act on datagrams, to be asked once for each new session."""
    reactor: Reactor
    subscribe: Callable[[str], None]
    idle_s: float
    """A session ends when nothing has moved for so long."""
    connect_s: float
    """How long the endpoints of the cluster may be unknown."""

    def cluster(self, exchange: Exchange) -> Group:
        """The cluster of a session that has been admitted, subscribed to if its endpoints are unknown.

        Raises:
            NoEndpoints: the cluster that a split names is not there.
        """
        cluster: Group = self.own if self.split is None else self.split.next(exchange)
        if not cluster.known:
            self.subscribe(cluster.service_key)
        return cluster

    def connect(self, cluster: Group, exchange: Exchange) -> UdpConnection:
        """A connection to one of the endpoints of `cluster`, which are known.

        Raises:
            NoEndpoints: it has none.
            ConnectFailed: there is no route to those that were tried.
            OutOfDescriptors, ConnectionPoolFull: see `UdpPool.open`.
        """
        connects = 1
        while True:
            now = self.reactor.now
            endpoint = cluster.balancer.next(now, exchange)
            if endpoint is None:
                raise NoEndpoints(f"{cluster.name}: {cluster.none_ready}")
            pool = endpoint.datagrams
            if pool is None:
                raise NoEndpoints(f"{cluster.name}: it takes no datagrams")
            attempt = Attempt(exchange, endpoint, now)
            try:
                return UdpConnection(pool.open(), pool, attempt)
            except ProxyError as error:
                attempt.end(error.reason)
                if not isinstance(error, ConnectFailed):
                    raise
                avoid(cluster, exchange, endpoint)
                if connects == CONNECTS_MOST or not cluster.balancer.has_others(exchange.tried or ()):
                    raise
                connects += 1


def avoid(cluster: Group, exchange: Exchange, endpoint: object) -> None:
    """The session of `exchange` shall have another endpoint of `cluster` than this one, whose health has changed."""
    there = set[object](cluster.endpoints)
    # A session may outlive any number of endpoints: those that have left are not remembered.
    exchange.tried = [each for each in exchange.tried or () if each in there and each is not endpoint] + [endpoint]
    cluster.review()
