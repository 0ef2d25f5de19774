"""`fallback` on real sockets: failures whose request or response is still on its way while another service is asked."""

from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Replace

POLICIES = {"fallback": {"on": ["5xx"], "service": {"name": "other"}}}
GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: web.shop.mesh\r\nTransfer-Encoding: chunked\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\n"  # whose body is on its way
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


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


async def test_a_body_that_is_still_being_sent_is_not_read_by_two(world):
    web, other = serve(world)
    client = await world.client()
    await client.send(PUT + b"3\r\nabc\r\n")
    server = await web.accept()
    await server.until(b"abc\r\n")

    await server.send(BUSY)
    await world.settle()
    await server.send(b"busy")
    assert (await client.until(b"busy")).startswith(b"HTTP/1.1 503 ")

    assert other.nobody_came()
    decisions = {outcome: number for (_, outcome, _), number in next(iter(world.live.table)).stats.decisions.items()}
    assert decisions == {"not-resendable": 1}


async def test_a_body_that_has_been_sent_whole_goes_to_the_other_service(world):
    web, other = serve(world)
    client = await world.client()
    await client.send(PUT + b"3\r\nabc\r\n")
    server = await web.accept()
    await server.until(b"abc\r\n")
    await client.send(b"0\r\n\r\n")
    await server.until(b"0\r\n\r\n")

    await server.send(BUSY)
    instead = await other.accept()
    assert (await instead.until(b"0\r\n\r\n")).endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    await instead.send(OK)

    assert b"x-mesh-fallback: 5xx\r\n" in await client.until(b"ok")
    assert await server.rest() == b""
