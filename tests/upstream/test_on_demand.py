"""The first request to a service whose endpoints nobody has asked for yet."""

import msgspec

from nodeproxy.mesh.model import Caller, Endpoint, Port, Service
from nodeproxy.mesh.wire import Callers, Drop, Put, Replace, Subscribe, Watched, Watches
from nodeproxy.upstream.on_demand import WAIT_S

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
ASLEEP = Service("shop", "web", "127.77.0.9", (Port(80),), unsubscribed=True)


def awake(endpoint=None):
    endpoints = (Endpoint("127.0.0.1", endpoint.port),) if endpoint else ()
    return Service("shop", "web", "127.77.0.9", (Port(80, endpoints=endpoints),))


async def asked(world):
    """A client that has asked an unsubscribed service, and waits."""
    world.install(Replace((ASLEEP,), on_demand=True))
    client = await world.client()
    await client.send(GET)
    await world.settle()
    return client


async def test_it_asks_for_the_endpoints_waits_and_is_served(world):
    endpoint = world.endpoint()
    client = await asked(world)

    subscriptions = world.live.subscriptions.taken()
    world.install(Put(awake(endpoint)))
    server = await endpoint.accept()
    await server.head()
    await server.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    assert subscriptions == [Subscribe("shop/web")]
    assert (await client.head()).startswith(b"HTTP/1.1 204 ")
    assert world.live.table.at("shop/web", "80").stats.requests == {(204, "", ("", "node"), "http1"): 1}


async def test_changes_of_other_services_do_not_wake_it(world):
    client = await asked(world)

    world.install(Put(Service("shop", "other", ports=(Port(80),))), Put(ASLEEP))
    await world.settle()
    world.install(Put(awake()))

    assert b"x-mesh-error: no-endpoints" in (await client.head()).lower()


async def test_it_is_told_when_nobody_answers_in_time(world):
    client = await asked(world)

    world.clock.now += WAIT_S
    head = (await client.head()).lower()

    assert head.startswith(b"http/1.1 503 ") and b"x-mesh-error: endpoints-unknown" in head
    assert b"check that it reaches" in await client.until(b"API server")


async def test_it_is_told_when_the_service_goes_meanwhile(world):
    client = await asked(world)

    world.install(Drop("shop/web"))

    assert (await client.head()).startswith(b"HTTP/1.1 404 ")


async def test_a_client_that_goes_meanwhile_is_not_waited_for(world):
    client = await asked(world)

    client.reset()
    await world.settle()

    assert not world.connections.open
    assert world.live.table.at("shop/web", "80").stats.requests == {(499, "client-gone", ("", "node"), "http1"): 1}


async def test_a_service_in_use_does_not_fall_asleep_because_discovery_is_new_and_follows_it_anew(world):
    endpoint = world.endpoint()
    world.install(Replace((awake(endpoint),), on_demand=True))

    world.install(Replace((ASLEEP,), on_demand=True))
    route = world.live.table.at("shop/web", "80")

    assert "shop/web" in world.live.subscriptions
    assert not route.service.unsubscribed and route.port.endpoints == (Endpoint("127.0.0.1", endpoint.port),)


async def test_a_service_falls_asleep_once_it_is_not_needed_any_more(world):
    world.install(Replace((awake(),), on_demand=True))
    world.live.subscriptions.review(lambda _key: None)

    world.install(Put(ASLEEP))

    assert world.live.table.at("shop/web", "80").service.unsubscribed


async def test_where_everything_is_followed_nothing_is_asked_for(world):
    world.install(Replace((awake(),)))

    assert world.live.subscriptions.taken() == []


async def test_facts_do_not_count_as_a_table(world):
    pod = Caller("127.0.0.1", "shop", "cart")

    world.install(Callers((pod,)), Watches((Watched("/api/v1/services", "names", 3),)))

    assert not world.live.ready and world.live.confirmed_at is None
    assert world.live.callers.known["127.0.0.1"].labels == ("shop", "cart")


async def test_a_request_is_counted_for_the_pod_it_comes_from_and_its_namespace_completes_a_name(world):
    endpoint = world.endpoint()
    world.install(Replace((awake(endpoint),)), Callers((Caller("127.0.0.1", "shop", "cart"),)))
    client = await world.client()

    await client.send(GET.replace(b"web.shop.mesh", b"web.mesh"))
    server = await endpoint.accept()
    await server.head()
    await server.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    await client.head()
    await world.settle()

    assert world.live.table.at("shop/web", "80").stats.requests == {(204, "", ("shop", "cart"), "http1"): 1}


async def test_clients_that_give_up_leave_nothing_behind_that_waits(world):
    world.install(Replace((ASLEEP,), on_demand=True))

    for _ in range(3):
        client = await world.client()
        await client.send(GET)
        await world.settle()
        await client.send(b"more")  # wakes it up for nothing
        await world.settle()
        client.reset()
        await world.settle()

    assert len(world.changes) == 0


async def test_once_served_it_may_take_as_long_as_its_service_allows(world):
    endpoint = world.endpoint()
    client = await asked(world)

    world.install(Put(msgspec.structs.replace(awake(endpoint), policies={"timeouts": {"responseHead": 0, "idle": 0}})))
    server = await endpoint.accept()
    await server.head()
    world.clock.now += WAIT_S + 1
    await world.settle()
    await server.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    assert (await client.head()).startswith(b"HTTP/1.1 204 ")


async def test_a_request_that_a_policy_refuses_subscribes_to_nothing(world):
    limited = msgspec.structs.replace(ASLEEP, policies={"rateLimit": {"requestsPerSecond": 0.1}})
    world.install(Replace((limited,), on_demand=True))
    first, second = await world.client(), await world.client()
    await first.send(GET)
    await world.settle()
    world.live.subscriptions.review(lambda _key: None)

    await second.send(GET)

    assert (await second.head()).startswith(b"HTTP/1.1 429 ")
    assert "shop/web" not in world.live.subscriptions
