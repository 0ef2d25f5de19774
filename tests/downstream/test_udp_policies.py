"""The policies that act on connections act on UDP sessions."""

from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Put
from tests.fakes.udp import UdpEndpoint


async def hello(service, *clients):
    for client in clients:
        client.send(b"hello")
        await service.world.settle(3)


async def test_rate_limits_count_new_sessions_not_datagrams(world, udp_service):
    service = udp_service(policies={"rateLimit": {"requestsPerSecond": 1, "burst": 2}})
    clients = [service.client() for _ in range(3)]

    await hello(service, *clients, *clients[:2] * 5)

    assert len(await service.endpoints[0].all()) == 12 and service.stats.dropped == {"rate-limited": 1}
    world.advance(1)
    await hello(service, clients[2])
    assert len(await service.endpoints[0].all()) == 1


async def test_rate_limits_in_shadow_let_all_pass_and_count(world, udp_service):
    service = udp_service(policies={"rateLimit": {"requestsPerSecond": 1, "mode": "shadow"}})

    await hello(service, *[service.client() for _ in range(3)])

    assert len(service.sessions) == 3
    assert world.route.stats.decisions["rateLimit", "rejected", "shadow"] == 2


async def test_max_connections_refuses_further_sessions(world, udp_service):
    service = udp_service(2, policies={"connectionPool": {"maxConnections": 2}, "timeouts": {"udpIdle": "10s"}})
    clients = [service.client() for _ in range(3)]

    await hello(service, *clients)
    refused = dict(service.stats.dropped)
    world.advance(10)
    await world.settle()
    await hello(service, clients[2])

    assert refused == {"connection-pool-full": 1} and len(service.sessions) == 1
    assert world.route.states["connectionPool"].connections == 1


async def test_sticky_clients_have_one_endpoint_for_all_their_sessions(world, udp_service):
    service = udp_service(4)
    service.now_has(*service.endpoints, affinity_s=100.0)

    await hello(service, *[service.client() for _ in range(8)])

    assert sorted(service.active) == [0, 0, 0, 8]


async def test_hashing_by_source_address_gives_a_client_one_endpoint(world, udp_service):
    service = udp_service(4, policies={"loadBalancer": {"consistentHash": {"useSourceIp": True}}})

    await hello(service, *[service.client(host) for host in ("127.0.0.1", "127.0.0.9") for _ in range(4)])

    assert sorted(service.active) in ([0, 0, 4, 4], [0, 0, 0, 8])


async def test_a_new_endpoint_gets_the_sessions_that_it_lacks(world, udp_service):
    service = udp_service(2)
    service.now_has(service.endpoints[0])
    await hello(service, *[service.client() for _ in range(4)])

    service.now_has(*service.endpoints)
    await hello(service, *[service.client() for _ in range(4)])

    assert service.active == [4, 4]


async def test_refusals_count_for_outlier_detection(world, udp_service):
    policies = {"outlierDetection": {"consecutive5xxErrors": 2}}
    service = udp_service(3, policies=policies)
    service.endpoints[0].stop()

    for _ in range(2):
        await hello(service, *[service.client() for _ in range(3)])
        await world.settle()
        world.advance(61)  # the ejection after a failed connect is over
        await world.settle()

    assert world.route.stats.decisions["outlierDetection", "consecutive-5xx", "enforce"] == 1


async def test_an_answer_ends_the_ejection_after_a_refusal(world, udp_service):
    service = udp_service(1)
    client = service.client()
    port = service.endpoints[0].port
    service.endpoints[0].stop()
    await hello(service, client)
    cluster = world.clusters.get(world.route.name)
    ejected = cluster.usable_count(world.clock())

    back = UdpEndpoint(world, port=port)
    await hello(service, client)
    _, mesh = await back.receive()
    back.reply(b"here", mesh)
    await client.receive()

    assert (ejected, cluster.usable_count(world.clock())) == (0, 1)


async def test_a_split_sends_sessions_to_udp_ports_of_its_targets(world, udp_service):
    targets = [{"service": "dns", "weight": 1}, {"service": "canary", "weight": 1}]
    service = udp_service(1, policies={"split": {"targets": targets}})
    canary = UdpEndpoint(world)
    port = Port(service.address[1], "dns", "udp", (Endpoint(canary.host, canary.port),), "udp")
    world.install(Put(Service("shop", "canary", "", (port,))))

    await hello(service, *[service.client() for _ in range(6)])

    assert (len(await service.endpoints[0].all()), len(await canary.all())) == (3, 3)


async def test_peak_ewma_prefers_the_endpoint_that_answers_faster(world, udp_service):
    service = udp_service(2, policies={"loadBalancer": {"simple": "PEAK_EWMA"}})
    clients = [service.client() for _ in range(4)]
    await hello(service, *clients[:2])
    world.advance(0.001)
    quick, slow = service.endpoints
    quick.reply(b"a", (await quick.receive())[1])
    await world.settle()
    world.advance(1)
    slow.reply(b"a", (await slow.receive())[1])
    await world.settle()

    await hello(service, *clients[2:])

    assert service.active == [3, 1]
