"""Subsets of a cluster by labels: their balancers, health, and what becomes of them when endpoints change."""

import pytest

from nodeproxy.errors import NoEndpoints
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Put, Replace
from tests.fakes.exchanges import exchange

V1, V2 = "version=v1", "version=v2"
NAME = "shop/web:80"


def web(*endpoints, policies=None, **fields):
    return Service("shop", "web", "", (Port(80, "http", "http", endpoints),), policies or {}, **fields)


def pod(number, *subsets):
    return Endpoint(f"10.0.0.{number}", 8080, subsets=subsets)


def chosen(world, subset, times=20, client="10.9.9.9"):
    """The names of the endpoints that are chosen of this subset."""
    balancer, one = world.clusters.get(NAME).of_subset(subset), exchange()
    one.client = client
    return {balancer.next(world.clock.now, one).name for _ in range(times)}


def test_a_subset_has_the_endpoints_with_its_labels(world):
    world.install(Replace((web(pod(1, V1), pod(2, V2), pod(3, V2, "tier=a"), pod(4)),)))

    assert chosen(world, V2) == {"10.0.0.2:8080", "10.0.0.3:8080"}
    assert chosen(world, "tier=a") == {"10.0.0.3:8080"}


def test_the_balancer_of_a_subset_lives_until_the_endpoints_change(world):
    world.install(Replace((web(pod(1, V1), pod(2, V2)),)))
    cluster = world.clusters.get(NAME)
    before = cluster.of_subset(V2)

    assert cluster.of_subset(V2) is before
    world.install(Put(web(pod(1, V2), pod(2, V1))))

    assert chosen(world, V2) == {"10.0.0.1:8080"}


def test_an_endpoint_that_is_down_is_avoided_in_its_subset_too(world):
    world.install(Replace((web(pod(1, V2), pod(2, V2)),)))
    cluster = world.clusters.get(NAME)
    assert chosen(world, V2) == {"10.0.0.1:8080", "10.0.0.2:8080"}

    cluster.endpoints[0].health.probes_down = True
    cluster.review()

    assert chosen(world, V2) == {"10.0.0.2:8080"}


def test_consistent_hashing_holds_within_a_subset(world):
    hashed = {"loadBalancer": {"consistentHash": {"useSourceIp": True}}}
    world.install(Replace((web(*(pod(number, V2) for number in range(1, 9)), policies=hashed),)))

    of_clients = [chosen(world, V2, client=f"10.1.0.{number}") for number in range(20)]

    assert all(len(endpoints) == 1 for endpoints in of_clients)
    assert len(set.union(*of_clients)) > 1


def test_a_session_of_a_client_holds_within_a_subset_and_outlives_new_endpoints(world):
    pods = [pod(number, V2) for number in range(1, 5)]
    world.install(Replace((web(*pods, affinity_s=60.0),)))
    (before,) = chosen(world, V2)

    world.install(Put(web(*pods, *(pod(number, V2) for number in range(5, 30)), affinity_s=60.0)))

    assert chosen(world, V2) == {before}


@pytest.mark.parametrize(
    ("endpoints", "told"),
    [
        ([pod(1, V1)], r"no ready endpoint has the labels version=v2; .* \(kubectl get pods -l version=v2\)"),
        ([], "no endpoint is ready; check its pods and EndpointSlices"),
    ],
)
def test_a_subset_without_an_endpoint_says_what_to_check(endpoints, told, world):
    world.install(Replace((web(*endpoints),)))

    with pytest.raises(NoEndpoints, match=told):
        world.clusters.get(NAME).of_subset(V2)


def test_the_endpoints_of_a_subset_are_waited_for_while_the_service_is_not_subscribed(world):
    world.install(Replace((web(unsubscribed=True),), on_demand=True))

    assert world.clusters.get(NAME).of_subset(V2).next(world.clock.now, exchange()) is None
