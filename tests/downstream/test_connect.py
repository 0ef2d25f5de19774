"""CONNECT to a service: from the answer on the connection means that service port, and reaches nothing else."""

import gc
from ipaddress import ip_network

import pytest

from nodeproxy.downstream.virtual_listeners import VirtualListeners
from nodeproxy.errors import ConnectionLost, ProxyError
from nodeproxy.io.capacity import Capacity
from nodeproxy.io.connect import connect
from nodeproxy.io.handover import HeldSockets
from nodeproxy.mesh.callers import Callers
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.trust import Trust
from nodeproxy.mesh.wire import Drop, Put, Replace
from nodeproxy.wiring.contexts import ACCEPTS
from tests.fakes.world import Peer

CONNECT = b"CONNECT web.shop.mesh:80 HTTP/1.1\r\nHost: web.shop.mesh:80\r\n\r\n"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
GET = b"GET /a HTTP/1.1\r\nHost: anything.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
# As undici 6.29 (ProxyAgent), https-proxy-agent 9.1, curl 7.88 (--proxytunnel) and Python 3.11 (set_tunnel) send them.
CLIENTS = {
    "undici": (
        b"CONNECT web.shop.mesh:80 HTTP/1.1\r\nhost: web.shop.mesh\r\nconnection: close\r\n\r\n",
        b"GET /a HTTP/1.1\r\nhost: web.shop.mesh\r\nconnection: keep-alive\r\n\r\n",
    ),
    "https-proxy-agent": (
        b"CONNECT web.shop.mesh:80 HTTP/1.1\r\nHost: web.shop.mesh:80\r\nProxy-Connection: Keep-Alive\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: web.shop.mesh\r\nConnection: keep-alive\r\n\r\n",
    ),
    "curl": (
        b"CONNECT web.shop.mesh:80 HTTP/1.1\r\nHost: web.shop.mesh:80\r\nUser-Agent: curl/7.88.1\r\n"
        b"Proxy-Connection: Keep-Alive\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: web.shop.mesh\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n",
    ),
    "http.client": (
        b"CONNECT web.shop.mesh:80 HTTP/1.0\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: web.shop.mesh\r\nAccept-Encoding: identity\r\n\r\n",
    ),
}


def service(name, endpoint, address="", port=80):
    return Service("shop", name, address, (Port(port, "http", "http", (Endpoint("127.0.0.1", endpoint.port),)),))


async def connected(world, endpoint, request=CONNECT):
    """A client whose CONNECT was answered; it has sent a request, and this is the connection it reached."""
    client = await world.client()
    await client.send(request)
    assert await client.head() == ESTABLISHED
    await client.send(GET)
    return client, await endpoint.accept()


async def refused(world, request, status):
    """The whole answer to `request`, after which the connection ends."""
    client = await world.client()
    await client.send(request + GET)
    answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 %d " % status) and answer.count(b"\r\nDate: ") == 1
    assert b"Connection: close\r\n" in answer
    return answer


@pytest.mark.parametrize(("request_to_connect", "request_behind"), CLIENTS.values(), ids=CLIENTS)
async def test_what_clients_send_is_understood(world, request_to_connect, request_behind):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    await client.send(request_to_connect)
    established = await client.head()
    await client.send(request_behind)
    server = await endpoint.accept()
    seen = await server.head()
    await server.send(OK)
    answer = await client.until(b"ok")
    await client.send(request_behind)
    again = await server.head()
    await server.send(OK)
    await client.until(b"ok")

    assert established == ESTABLISHED
    assert again.startswith(b"GET /a HTTP/1.1\r\n") and endpoint.nobody_came()
    assert seen.startswith(b"GET /a HTTP/1.1\r\n") and b"CONNECT" not in seen and b"Proxy-" not in seen
    assert b"X-Forwarded-For: 127.0.0.1\r\n" in seen
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"Connection: close" not in answer
    assert world.route.stats.requests == {(200, "", ("", "node"), "http1"): 2}
    assert world.stats.connects == 1 and not world.stats.unrouted.requests
    assert [(line[0].request.method, line[2]) for line in world.log] == [
        (b"CONNECT", 200),
        (b"GET", 200),
        (b"GET", 200),
    ]


async def test_all_requests_behind_it_mean_that_port_whatever_they_name(world):
    endpoint, other = world.endpoint(), world.endpoint()
    world.install(Replace((service("web", endpoint), service("other", other))))
    client, server = await connected(world, endpoint)
    for request in (
        b"GET / HTTP/1.1\r\nHost: other.shop.mesh\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\nx-mesh-service: other.shop.mesh\r\n\r\n",
        b"GET http://other.shop.mesh/ HTTP/1.1\r\nHost: other.shop.mesh\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    ):
        await server.head()
        await server.send(OK)
        await client.until(b"ok")
        await client.send(request)

    assert b"GET / HTTP/1.1\r\n" in await server.head()
    assert other.nobody_came()


async def test_what_is_sent_behind_it_at_once_is_the_first_request(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    await client.send(CONNECT + GET + GET.replace(b"/a", b"/b"))
    server = await endpoint.accept()
    first = await server.head()
    await server.send(OK)
    second = await server.head()
    await server.send(OK)

    assert first.startswith(b"GET /a ") and second.startswith(b"GET /b ")
    assert (await client.until(b"ok")).startswith(ESTABLISHED + b"HTTP/1.1 200 OK\r\n")


async def test_it_may_come_after_other_requests(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(b"GET / HTTP/1.1\r\nHost: nobody.shop.mesh\r\n\r\n")
    await client.until(b"\r\n\r\n")
    await client.until(b"\n")

    await client.send(CONNECT + GET)
    server = await endpoint.accept()
    await server.head()
    await server.send(OK)

    assert (await client.until(b"ok")).startswith(ESTABLISHED)


async def test_every_request_behind_it_has_the_policies_of_the_service(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"timeouts": {"request": "1s"}})
    client, server = await connected(world, endpoint)
    await server.head()

    world.advance(1.5)

    assert (await client.head()).startswith(b"HTTP/1.1 504 ")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (b"example.com:443", b"'example.com:443' is not a mesh name"),
        (b"10.0.0.1:80", b"'10.0.0.1:80' is not a mesh name"),
        (b"[::1]:80", b"'[::1]:80' is not a mesh name"),
        (b"127.0.0.1:9077", b"is not a mesh name"),
        (b"nobody.shop.mesh:80", b"there is no service shop/nobody in the mesh"),
        (b"web.shop.mesh:443", b"service shop/web has no HTTP port 443; it has 80"),
        (b"web.shop.mesh:5432", b"5432"),
        (b"web-0.web.shop.mesh:80", b"service shop/web has no ready pod web-0"),
    ],
)
async def test_nothing_but_http_ports_of_services_is_reached(world, target, words):
    endpoint = world.endpoint()
    ports = (
        Port(80, "http", "http", (Endpoint("127.0.0.1", endpoint.port),)),
        Port(5432, "db", "tcp", (Endpoint("127.0.0.1", endpoint.port),)),
    )
    world.install(Replace((Service("shop", "web", "", ports),)))

    answer = await refused(world, CONNECT.replace(b"web.shop.mesh:80 ", target + b" "), 403)

    assert b"x-mesh-error: connect-refused\r\n" in answer and words in answer
    assert b"CONNECT reaches HTTP ports of services in the mesh and nothing else" in answer
    assert endpoint.nobody_came()
    assert world.stats.unrouted.requests == {(403, "connect-refused", ("", "node"), "http1"): 1}
    assert world.stats.connects == 0 and [line[2] for line in world.log] == [403]


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        (b"web.shop.mesh:80", b"Content-Length: 2\r\n"),
        (b"web.shop.mesh:80", b"Transfer-Encoding: chunked\r\n"),
        (b"web.shop.mesh", b""),
        (b"web.shop.mesh:0", b""),
        (b"http://web.shop.mesh:80", b""),
    ],
)
async def test_one_with_a_body_or_without_a_port_is_no_request(world, target, fields):
    endpoint = world.endpoint()
    world.serve(endpoint)

    answer = await refused(world, b"CONNECT %b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (target, fields), 400)

    assert b"x-mesh-error: bad-request\r\n" in answer and endpoint.nobody_came()


async def test_a_second_one_is_refused(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    await client.send(CONNECT + CONNECT + GET)
    answer = await client.rest()

    assert answer.startswith(ESTABLISHED + b"HTTP/1.1 501 ") and b"CONNECT is understood once" in answer
    assert answer.count(b"HTTP/1.1 ") == 2 and endpoint.nobody_came()


async def test_it_is_refused_at_a_services_own_address(world):
    endpoint, kept = world.endpoint(), HeldSockets()
    virtual = VirtualListeners(
        world.connections, world.context, kept, lambda: world.live.table, Capacity(1 << 20, 1000), ACCEPTS
    )
    world.install(Replace((service("web", endpoint, "127.77.9.3", endpoint.port),)))
    virtual.follow()
    client = Peer(world, await connect(world.reactor, ("127.77.9.3", endpoint.port), ConnectionLost))

    await client.send(CONNECT.replace(b":80", b":%d" % endpoint.port) + GET)
    answer = await client.rest()
    virtual.close()
    kept.close()

    assert answer.startswith(b"HTTP/1.1 501 ") and b"at the proxy's own address" in answer
    assert endpoint.nobody_came()


async def test_it_is_refused_where_it_is_not_understood(world):
    world.reopen(understands_connect=False)
    world.serve(world.endpoint())

    assert b"x-mesh-error: method-not-supported\r\n" in await refused(world, CONNECT, 501)


async def test_before_there_is_a_table_it_is_told_so(world):
    assert b"x-mesh-error: no-table-yet\r\n" in await refused(world, CONNECT, 503)


async def test_the_service_is_looked_up_anew_for_every_request(world):
    first, second = world.endpoint(), world.endpoint()
    world.serve(first)
    client, server = await connected(world, first)
    await server.head()
    await server.send(OK)
    await client.until(b"ok")

    world.install(Put(service("web", second)))
    await client.send(GET)
    server = await second.accept()
    await server.head()
    await server.send(OK)
    await client.until(b"ok")
    world.install(Drop("shop/web"))
    await client.send(GET)

    assert (await client.head()).startswith(b"HTTP/1.1 404 ")


async def test_what_is_behind_it_and_is_no_http_is_refused(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    await client.send(CONNECT + b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # TLS
    answer = await client.rest()

    assert answer.startswith(ESTABLISHED + b"HTTP/1.1 400 ") and endpoint.nobody_came()


async def test_a_client_that_is_silent_behind_it_is_idle_and_its_time_is_that_of_all(world):
    world.serve(world.endpoint())
    client = await world.client()
    await client.send(CONNECT)
    await client.head()
    await world.settle()
    (connection,) = world.connections.open

    assert connection.idle
    world.advance(3601)
    assert await client.rest() == b""


async def test_a_draining_worker_asks_it_to_close(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client, server = await connected(world, endpoint)
    await server.head()
    world.connections.drain()

    await server.send(OK)

    assert b"Connection: close\r\n" in await client.rest()


async def test_trust_is_the_same_behind_it(world):
    world.reopen(trusts_forwarded=True, callers=Callers((), Trust((ip_network("127.0.0.0/8"),))))
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    await client.send(CONNECT + GET[:-2] + b"X-Forwarded-For: 10.0.0.9\r\n\r\n")
    server = await endpoint.accept()

    assert b"X-Forwarded-For: 10.0.0.9, 127.0.0.1\r\n" in await server.head()


async def test_neither_a_yes_nor_a_no_leaves_errors_for_the_collector(world):
    world.serve(world.endpoint())
    gc.collect()
    before = [each for each in gc.get_objects() if isinstance(each, ProxyError)]  # of other tests, still in use
    gc.disable()
    try:
        for sent in (CONNECT.replace(b"web.", b"nobody."), CONNECT + CONNECT, CONNECT):
            client = await world.client()
            await client.send(sent)
            await client.head()
            client.close()
            await world.settle()
        known = set(map(id, before))
        left = [type(each) for each in gc.get_objects() if isinstance(each, ProxyError) and id(each) not in known]
    finally:
        gc.enable()

    assert left == [] and not world.connections.open
