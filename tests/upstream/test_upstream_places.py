"""Endpoints near and far, clients that keep theirs, single pods: what requests over real sockets meet."""

import pytest

from nodeproxy.errors import NoEndpoints, UnknownPod
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.upstream.cluster import NO_PLAN, ClusterContext
from nodeproxy.upstream.clusters import Clusters

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def install(world, *endpoints, **fields):
    service = Service("shop", "web", "", (Port(80, "http", "http", endpoints),), **fields)
    world.live.install(Replace((service,)))


def at(server, **fields):
    return Endpoint("127.0.0.1", server.port, **fields)


async def answered_by(world, *servers, host=b"web.shop.mesh"):
    """Which of the servers a request came to."""
    client = await world.client()
    await client.send(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host)
    for _ in range(1000):
        await world.reactor.rest()
        for index, server in enumerate(servers):
            peer = server.waiting()
            if peer is not None:
                await peer.head()
                await peer.send(ANSWER)
                peer.close()
                assert (await client.head()).startswith(b"HTTP/1.1 200 ")
                client.close()
                return index
    raise AssertionError("nobody was asked")


async def refusal(world, host=b"web.shop.mesh"):
    client = await world.client()
    await client.send(b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % host)
    return await client.rest()


async def test_a_near_endpoint_gets_everything_until_it_refuses_connections(world):
    near, far = world.endpoint(), world.endpoint()
    install(world, at(near), at(far, distance=1))

    before = {await answered_by(world, near, far) for _ in range(6)}
    near.stop()
    after = {await answered_by(world, far) for _ in range(3)}

    assert before == {0} and after == {0}
    assert sum(world.route.stats.requests.values()) == 9


async def test_a_changed_distance_counts_for_endpoints_that_stay(world):
    one, two = world.endpoint(), world.endpoint()
    install(world, at(one), at(two, distance=1))
    await answered_by(world, one, two)

    install(world, at(one, distance=1), at(two))

    assert {await answered_by(world, one, two) for _ in range(6)} == {1}


async def test_a_client_keeps_its_endpoint_while_others_come_and_until_its_time_is_over(world):
    servers = [world.endpoint() for _ in range(8)]
    seen = []
    for number in range(1, 9):
        install(world, *map(at, servers[:number]), affinity_s=60.0)
        seen.append(await answered_by(world, *servers))
        world.advance(50)
    unkept = set()
    for _ in range(3):
        install(world, *map(at, servers))
        unkept |= {await answered_by(world, *servers) for _ in range(8)}

    assert set(seen) == {0}
    assert len(unkept) > 1


async def test_the_mesh_itself_is_no_endpoint(world):
    server, own = world.endpoint(), ("127.0.0.1", 80)
    context = ClusterContext(world.upstream, {own}, lambda: 0.0)
    cluster = Clusters(context).of(Service("shop", "web", "", ()), Port(80))

    port = Port(80, "http", "http", (Endpoint(*own, hostname="web-0"), at(server)))
    cluster.install(Service("shop", "web", "", (port,)), port, NO_PLAN)

    assert [endpoint.address for endpoint in cluster.endpoints] == [("127.0.0.1", server.port)]
    with pytest.raises(UnknownPod):
        cluster.of_pod("web-0")


async def test_a_service_that_has_left_the_mesh_has_nothing_that_could_be_chosen(world):
    server = world.endpoint()
    install(world, at(server, hostname="web-0", subsets=("v=1",)))
    cluster = world.clusters.get("shop/web:80")
    assert cluster.of_pod("web-0").usable_count(0.0) == cluster.of_subset("v=1").usable_count(0.0) == 1

    world.live.install(Replace(()))

    assert cluster.gone and not cluster.serves and not cluster.has_subset("v=1")
    assert cluster.usable_count(0.0) == 0 and cluster.endpoints == ()
    with pytest.raises(UnknownPod):
        cluster.of_pod("web-0")
    with pytest.raises(NoEndpoints):
        cluster.of_subset("v=1")


async def test_a_pod_is_called_by_its_own_name_and_its_connections_are_the_service_s(world):
    servers = [world.endpoint() for _ in range(3)]
    install(world, *(at(server, hostname=f"web-{index}") for index, server in enumerate(servers)))

    called = [await answered_by(world, *servers, host=b"web-%d.web.shop.mesh" % index) for index in (2, 0, 1, 2)]

    assert called == [2, 0, 1, 2]
    assert sum(world.route.stats.requests.values()) == 4
    assert b"web has no ready pod web-3; it has web-0, web-1, web-2" in await refusal(world, b"web-3.web.shop.mesh")


async def test_a_pod_with_several_endpoints_is_balanced_as_its_service_is(world):
    servers = [world.endpoint() for _ in range(2)]
    endpoints = (at(server, hostname="web-0") for server in servers)
    install(world, *endpoints, policies={"loadBalancer": {"simple": "ROUND_ROBIN"}})

    called = [await answered_by(world, *servers, host=b"web-0.web.shop.mesh") for _ in range(4)]

    assert sorted(called) == [0, 0, 1, 1]


async def test_the_route_of_a_pod_ends_with_the_pod(world):
    servers = [world.endpoint() for _ in range(2)]
    install(world, at(servers[0], hostname="web-0"), at(servers[1], hostname="web-1"))
    await answered_by(world, *servers, host=b"web-0.web.shop.mesh")

    install(world, at(servers[1], hostname="web-1"))

    assert (await refusal(world, b"web-0.web.shop.mesh")).startswith(b"HTTP/1.1 404 ")
    assert await answered_by(world, *servers, host=b"web-1.web.shop.mesh") == 1


async def test_a_request_for_a_pod_of_a_dormant_service_wakes_it_and_goes_to_that_pod(world):
    servers = [world.endpoint() for _ in range(2)]
    world.install(Replace((Service("shop", "web", "", (Port(80, "http"),), unsubscribed=True),), on_demand=True))
    client = await world.client()
    await client.send(b"GET / HTTP/1.1\r\nHost: web-1.web.shop.mesh\r\n\r\n")
    await world.settle()

    assert "shop/web" in world.live.subscriptions
    pods = (at(server, hostname=f"web-{index}") for index, server in enumerate(servers))
    world.install(Put(Service("shop", "web", "", (Port(80, "http", endpoints=tuple(pods)),))))
    peer = await servers[1].accept()
    await peer.head()
    await peer.send(ANSWER)

    assert (await client.head()).startswith(b"HTTP/1.1 200 ") and servers[0].nobody_came()


async def test_a_pod_that_a_dormant_service_turns_out_not_to_have_is_told_so(world):
    world.install(Replace((Service("shop", "web", "", (Port(80, "http"),), unsubscribed=True),), on_demand=True))
    client = await world.client()
    await client.send(b"GET / HTTP/1.1\r\nHost: web-1.web.shop.mesh\r\nConnection: close\r\n\r\n")
    await world.settle()

    world.install(Put(Service("shop", "web", "", (Port(80, "http"),))))

    assert b"has no ready pod web-1; it has none with a name" in await client.rest()


@pytest.mark.parametrize(
    ("only_local", "told"),
    [
        (False, b"shop/web:80: no endpoint is ready; check its pods and EndpointSlices"),
        (
            True,
            b"shop/web:80: internalTrafficPolicy is Local and no endpoint on this node is ready; "
            b"PreferSameNode prefers instead of insisting",
        ),
    ],
)
async def test_a_service_without_endpoints_says_why(world, only_local, told):
    install(world, only_local=only_local)

    answer = await refusal(world)

    assert answer.startswith(b"HTTP/1.1 503 ") and b"x-mesh-error: no-endpoints\r\n" in answer
    assert told in answer
