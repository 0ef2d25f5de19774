"""The innermost handler of a service port: a cluster, one of its endpoints, an attempt there."""

from dataclasses import dataclass

from nodeproxy.errors import (
    ConnectFailed,
    ConnectionLost,
    EndpointError,
    NoEndpoints,
    NoOtherEndpoint,
    ProxyError,
    Unprocessed,
)
from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.reactor import Reactor
from nodeproxy.protocol.grpc import effective_status
from nodeproxy.protocol.message import Response
from nodeproxy.protocol.method import IDEMPOTENT
from nodeproxy.upstream.cluster import Cluster, EndpointBalancer
from nodeproxy.upstream.endpoint import Endpoint
from nodeproxy.upstream.on_demand import OnDemand
from nodeproxy.upstream.split import Targets
from nodeproxy.upstream.subset import Group

CONNECTS_MOST = 3  # endpoints tried before a connect failure is reported to the policies: one rack may be down, not all


@dataclass(frozen=True, slots=True)
class Upstream:
    """Sends exchanges to the endpoints of a cluster, or of one pod of it: `pod` is its host name."""

    cluster: Cluster
    """Where requests go, unless there is a split."""
    split: Targets | None
    pod: str
    connect_s: float
    """Bounds one connect; 0: no limit of its own."""
    reactor: Reactor
    on_demand: OnDemand

    async def __call__(self, exchange: Exchange) -> Response:
        """The response of an endpoint; see `exchange.exchange.Handler`.

        Raises:
            NoEndpoints: the cluster has none, or is not there.
            ProtocolMismatch: see `Targets.next`.
            NoOtherEndpoint: see `Exchange.only_untried`.
            ProtocolMismatch: its port does not take the exchange any more.
            EndpointsUnknown, UnknownService: see `OnDemand.until_known`.
            EndpointError: what went wrong on the way; connect failures have been tried on other endpoints.
        """
        cluster: Group = self.cluster if self.split is None else self.split.next(exchange)
        connects = 1
        while True:
            if exchange.tries:  # its port may speak another protocol since the first try
                cluster.check_takes(exchange.request)
            now = self.reactor.now
            endpoint = self._balancer(cluster).next(now, exchange)
            if endpoint is None:
                if cluster.known:
                    raise NoEndpoints(f"{cluster.name}: {cluster.none_ready}")
                await self.on_demand.until_known(cluster, exchange)
                cluster.check_takes(exchange.request)
                continue
            if exchange.only_untried and exchange.tried and endpoint in exchange.tried:
                raise NoOtherEndpoint(f"{cluster.name}: all endpoints have been tried")
            attempt = Attempt(exchange, endpoint, now)
            try:
                response = await self._send(attempt, endpoint)
            except BaseException as error:
                attempt.end(error.reason if isinstance(error, ProxyError) else "cancelled")
                if isinstance(error, EndpointError):
                    exchange.tried = [*(exchange.tried or ()), endpoint]
                    if isinstance(error, ConnectFailed) and _may_go_elsewhere(error, exchange):
                        balancer = self._balancer(cluster)  # a new one if endpoints have come or gone meanwhile
                        balancer.review(self.reactor.now)
                        if connects < CONNECTS_MOST and balancer.has_others(exchange.tried):
                            connects += 1
                            continue
                raise
            response.attempt = attempt
            attempt.status = response.status if exchange.call is None else effective_status(response)
            for judge in endpoint.judges:
                judge.responded(attempt, response)
            if attempt.status != response.status:
                attempt.end(attempt.status)  # a call was refused: nothing follows
            return response

    def _balancer(self, cluster: Group) -> EndpointBalancer:
        return cluster.of_pod(self.pod) if self.pod else cluster.balancer

    async def _send(self, attempt: Attempt, endpoint: Endpoint) -> Response:
        pool = endpoint.pool_for(attempt.exchange.request)
        connection = pool.take()
        if connection is not None:
            try:
                return await connection.send(attempt)
            except (ConnectionLost, Unprocessed) as error:
                # The endpoint closed the connection while the request was under way (RFC 9112, 9.3.1; RFC 9113, 8.7).
                exchange = attempt.exchange
                repeatable = isinstance(error, Unprocessed) or exchange.request.method in IDEMPOTENT
                if not repeatable or not exchange.may_be_delivered_again():
                    raise
        try:
            return await (await pool.open(self.connect_s)).send(attempt)
        except Unprocessed:  # on a new connection too: others may have used it before this request
            if not attempt.exchange.may_be_delivered_again():
                raise
        return await (await pool.open(self.connect_s)).send(attempt)


def _may_go_elsewhere(error: ConnectFailed, exchange: Exchange) -> bool:
    """Whether the endpoint has kept nothing of the request that another one would need."""
    return not isinstance(error, Unprocessed) or exchange.may_be_delivered_again()
