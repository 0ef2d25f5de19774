"""An endpoint whose pod gets a different label is the same endpoint."""

from nodeproxy.balance.health import connect_failed
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Replace

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def web(endpoint, *subsets):
    found = Endpoint("127.0.0.1", endpoint.port, subsets=subsets)
    return Replace((Service("shop", "web", ports=(Port(80, endpoints=(found,)),)),))


async def test_a_new_label_neither_closes_the_connections_of_an_endpoint_nor_ends_a_request(world):
    endpoint = world.endpoint()
    world.install(web(endpoint))
    client = await world.client()
    await client.send(GET)
    served = await endpoint.accept()
    await served.head()

    world.install(web(endpoint, "version=v2"))
    await served.send(EMPTY)
    await client.head()
    await client.send(GET)
    again = await served.head()

    assert again.startswith(b"GET / ")


def test_a_new_label_leaves_the_health_of_an_endpoint_as_it_is(world):
    endpoint = world.endpoint()
    world.install(web(endpoint, "version=v1"))
    (before,) = world.clusters.get("shop/web:80").endpoints
    connect_failed(before.health, world.clock())

    world.install(web(endpoint, "version=v2"))

    (after,) = world.clusters.get("shop/web:80").endpoints
    assert after is before and after.health.ejections == before.health.ejections == 1
