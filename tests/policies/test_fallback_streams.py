"""`fallback` on real sockets: failures whose request or response is still on its way while another service is asked."""

from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Replace

POLICIES = {"fallback": {"on": ["5xx"], "service": {"name": "other"}}}
GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\n"  # whose body is on its way


def serve(world):
    """Two services with one endpoint each: the first one's failures are replaced by the second."""
    endpoints = {"web": world.endpoint(), "other": world.endpoint()}
    services = tuple(
        Service(
            "shop",
            name,
            "",
            (Port(80, "http", "http", (Endpoint("127.0.0.1", endpoint.port),)),),
            POLICIES if name == "web" else {},
        )
        for name, endpoint in endpoints.items()
    )
    world.live.install(Replace(services))
    return endpoints["web"], endpoints["other"]


async def test_the_failure_is_given_up_when_the_client_goes_while_another_service_is_asked(world):
    web, other = serve(world)
    client = await world.client()
    await client.send(GET)
    server = await web.accept()
    await server.head()
    await server.send(BUSY)
    await (await other.accept()).head()

    client.reset()

    assert await server.rest() == b""
    (target,), (instead,) = (world.clusters.get(f"shop/{name}:80").endpoints for name in ("web", "other"))
    assert (target.active, target.pool.count) == (0, 0)
    assert world.attempts == [(instead.name, "client-gone"), (target.name, 503)]
