"""A port that does not say what it speaks: the first word on a connection decides, and nothing waits for it."""

from contextlib import suppress

import pytest

from nodeproxy.downstream.detection import DETECT_S, GREETING_S
from nodeproxy.errors import ConnectionLost
from nodeproxy.io.connect import connect
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Drop, Replace
from nodeproxy.protocol.first_bytes import DECIDED_BYTES
from tests.fakes.hellos import real
from tests.fakes.own_address import AtOwnAddress
from tests.fakes.world import Peer

ADDRESS = "127.77.9.5"
GET = b"GET / HTTP/1.1\r\nHost: any\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
BYTES = {
    "redis": b"PING\r\n",
    "redis-array": b"*1\r\n$4\r\nPING\r\n",
    "memcached": b"get x\r\n",
    "postgres": bytes.fromhex("0000000804d2162f"),
    "tls": real("any.example"),
    "ssh": b"SSH-2.0-client\r\n",
    "http/0.9": b"GET /\r\n",
}


class Place(AtOwnAddress):
    """One service with a port of this kind at its own address, with one scripted endpoint."""

    def __init__(self, world):
        super().__init__(world)
        self.endpoint = world.endpoint()
        self._port = self.endpoint.port
        self.serve(self.endpoint)

    def serve(self, endpoint, policies=None):
        """Put the service over this endpoint into the table."""
        port = Port(self._port, "main", "detect", (Endpoint("127.0.0.1", endpoint.port),))
        self.put(Replace((Service("shop", "any", ADDRESS, (port,), policies or {}),)))

    async def client(self, first=b""):
        """A connection to the service."""
        client = Peer(self.world, await connect(self.world.reactor, (ADDRESS, self._port), ConnectionLost))
        if first:
            await client.send(first)
        return client

    async def silent_client(self):
        """A client that has said nothing for so long that the service is connected to."""
        client = await self.client()
        await self.world.settle()
        assert self.endpoint.nobody_came()
        self.world.advance(DETECT_S)
        return client


@pytest.fixture
def place(world):
    """The service, closed after the test."""
    place = Place(world)
    yield place
    place.close()


async def answered(client, server):
    """A request goes through the policies of HTTP: the endpoint sees it as the mesh sends it."""
    assert b"x-forwarded-for" in (await server.head()).lower()
    await server.send(OK)
    assert (await client.until(b"ok")).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("lead", [b"", b"\r\n"])
async def test_a_request_is_served_as_http_at_once(place, world, lead):
    client = await place.client(lead + GET)

    await answered(client, await place.endpoint.accept())

    assert sum(world.route.stats.requests.values()) == 1


async def test_requests_follow_on_the_connection(place):
    client = await place.client(GET)
    server = await place.endpoint.accept()
    await answered(client, server)

    await client.send(GET)

    await answered(client, server)
    await client.send(BYTES["redis"] + b"\r\n")
    assert b" 400 " in await client.rest()


async def test_http_2_is_served_at_once(place):
    client = await place.client(PREFACE + SETTINGS)

    assert (await client.exactly(9))[3] == 4

    assert place.endpoint.nobody_came()


async def test_http_2_goes_to_the_endpoint_as_http_2(place):
    headers = bytes.fromhex("82 86 84 41 03 61 6e 79".replace(" ", ""))
    client = await place.client(PREFACE + SETTINGS + len(headers).to_bytes(3, "big") + b"\1\5\0\0\0\1" + headers)

    server = await place.endpoint.accept()

    assert await server.exactly(len(PREFACE)) == PREFACE
    client.close()


@pytest.mark.parametrize("first", BYTES.values(), ids=BYTES)
async def test_anything_else_is_passed_on_as_it_is(place, first):
    client = await place.client(first)

    server = await place.endpoint.accept()
    assert await server.exactly(len(first)) == first
    await server.send(b"answer")

    assert await client.exactly(6) == b"answer"
    await client.send(GET)
    assert await server.exactly(len(GET)) == GET


async def test_a_server_may_speak_first(place):
    client = await place.silent_client()
    server = await place.endpoint.accept()

    await server.send(b"220 ready\r\n")
    assert await client.exactly(11) == b"220 ready\r\n"
    await client.send(GET)

    assert await server.exactly(len(GET)) == GET


async def test_a_server_that_closes_a_silent_connection_closes_it_for_the_client(place):
    client = await place.silent_client()
    server = await place.endpoint.accept()

    server.close()

    assert await client.rest() == b""


@pytest.mark.parametrize("settled", [True, False])
async def test_a_client_that_speaks_http_after_a_silence_is_served_as_http(place, world, settled):
    client = await place.silent_client()
    unwanted = await place.endpoint.accept()
    if settled:
        await world.settle()

    await client.send(GET)

    server = await place.endpoint.accept()
    await answered(client, server)
    assert await unwanted.rest() == b""
    assert world.attempts[0][1] in (200, "cancelled") and world.attempts[1][1] == 200
    assert sum(world.route.stats.requests.values()) == 1


async def test_a_client_that_speaks_bytes_after_a_silence_gets_the_connection_that_is_open(place, world):
    client = await place.silent_client()
    server = await place.endpoint.accept()
    await world.settle()

    await client.send(BYTES["redis"])

    assert await server.exactly(6) == BYTES["redis"]
    await server.send(b"+PONG\r\n")
    assert await client.exactly(7) == b"+PONG\r\n"
    assert place.endpoint.nobody_came()


async def test_a_failed_connect_is_no_error_of_a_later_request(place, world):
    place.endpoint.stop()
    client = await place.client()
    await world.settle()
    world.advance(DETECT_S)
    await world.settle()

    await client.send(b"GET / HTTP/1.1\r\nHost: any\r\n\r\n")

    assert b" 503 " in await client.head()


async def test_a_client_that_waits_for_an_endpoint_that_is_down_does_not_wait_for_ever(place, world):
    place.endpoint.stop()
    client = await place.client()
    await world.settle()
    world.advance(DETECT_S)
    await world.settle()
    assert not client.channel.has_input()

    world.advance(world.context.head_timeout_s)

    with pytest.raises(ConnectionLost):
        await client.rest()
    assert world.route.stats.connections.reasons == {"connect-failed": 1}


async def test_half_a_line_is_passed_on_after_a_moment(place, world):
    client = await place.client(b"hello")
    await world.settle()
    assert place.endpoint.nobody_came()

    world.advance(DETECT_S)

    server = await place.endpoint.accept()
    assert await server.exactly(5) == b"hello"
    await server.send(b"world")
    assert await client.exactly(5) == b"world"


async def test_half_a_line_after_a_silence_is_held_for_a_moment(place, world):
    client = await place.silent_client()
    server = await place.endpoint.accept()
    await client.send(b"GET / HT")
    await world.settle()
    assert not server.channel.has_input()

    await client.send(b"TP/1.1\r\nHost: any\r\n\r\n")

    await answered(client, await place.endpoint.accept())
    assert await server.rest() == b""


@pytest.mark.parametrize("silent", [True, False])
async def test_a_request_line_that_comes_slowly_does_not_pass_the_policies(place, world, silent):
    client = await (place.silent_client() if silent else place.client(b"GET"))
    if silent:
        server = await place.endpoint.accept()
        await client.send(b"GET")
    await world.settle()
    world.advance(DETECT_S)
    if not silent:
        server = await place.endpoint.accept()
    assert await server.exactly(3) == b"GET"

    for byte in b" / HTTP/1.1\r\n":
        if client.channel.has_input():
            break
        await client.send(bytes((byte,)))
        await world.settle()
        world.advance(DETECT_S)

    answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 408 ") and b"set its appProtocol to http" in answer
    assert await server.rest() == b" / HTTP/"
    assert [key[:2] for key in world.stats.unrouted.requests] == [(408, "head-timeout")]


async def test_a_line_that_is_no_request_may_come_slowly(place, world):
    client = await place.client(b"g")
    await world.settle()
    world.advance(DETECT_S)
    server = await place.endpoint.accept()

    for byte in b"et x\r\n":
        await client.send(bytes((byte,)))
        await world.settle()
        world.advance(DETECT_S)
    await client.send(b"more")

    assert await server.exactly(11) == b"get x\r\nmore"


async def test_a_line_without_an_end_is_http(place):
    client = await place.client(b"A" * (DECIDED_BYTES + 1))

    assert b" 414 " in (await client.head())[:14]

    assert place.endpoint.nobody_came()


async def test_a_client_that_ends_its_side_first_still_hears_the_server(place):
    client = await place.client()
    client.channel.half_close()
    server = await place.endpoint.accept()

    assert await server.rest() == b""
    await server.send(b"Thu Nov 26")
    server.close()

    assert await client.rest() == b"Thu Nov 26"


async def waited_for_a_greeting(place, world):
    """A client on whose connection neither side has spoken for so long that no endpoint is connected to any more."""
    client = await place.silent_client()
    server = await place.endpoint.accept()
    await world.settle()
    world.advance(GREETING_S)
    assert await server.rest() == b""
    return client


async def test_an_endpoint_that_does_not_speak_first_is_let_go(place, world):
    client = await waited_for_a_greeting(place, world)
    await world.settle()
    assert place.endpoint.nobody_came() and not client.channel.has_input()

    world.advance(world.context.idle_timeout_s)

    assert await client.rest() == b""
    assert not world.connections.open


@pytest.mark.parametrize("first", [GET, BYTES["redis"], b"hello"])
async def test_a_client_may_speak_after_that(place, world, first):
    client = await waited_for_a_greeting(place, world)

    await client.send(first)
    await world.settle()
    world.advance(DETECT_S)

    server = await place.endpoint.accept()
    if first == GET:
        await answered(client, server)
    else:
        assert await server.exactly(len(first)) == first


@pytest.mark.parametrize("connected", [True, False])
async def test_a_silent_client_makes_way(place, world, connected):
    client = await (place.silent_client() if connected else place.client())
    if connected:
        server = await place.endpoint.accept()
    await world.settle()
    (connection,) = world.connections.open
    assert connection.idle_since(0.0) < world.clock.now + 1
    world.advance(1.0)
    await world.settle()

    assert world.connections.make_room()

    assert await client.rest() == b""
    if connected:
        assert await server.rest() == b""
    await world.settle()
    assert not world.connections.open


async def test_a_client_that_has_spoken_does_not_make_way(place, world):
    client = await place.client(b"GET")
    await world.settle()

    assert not world.connections.make_room()

    await client.send(b" / HTTP/1.1\r\nHost: any\r\n\r\n")
    await answered(client, await place.endpoint.accept())


async def test_a_drain_closes_silent_clients_and_ends_requests(place, world):
    silent, asking = await place.silent_client(), await place.client(GET)
    unwanted, server = await place.endpoint.accept(), await place.endpoint.accept()
    if unwanted.channel.has_input():
        unwanted, server = server, unwanted
    world.connections.drain()

    world.connections.hang_up()

    assert await silent.rest() == b""
    assert await unwanted.rest() == b""
    await server.head()
    await server.send(OK)
    assert b"Connection: close\r\n" in await asking.rest()


async def test_a_service_that_has_left_answers_requests_only(place, world):
    client = await place.client()
    other = await place.client()
    await world.settle()
    world.install(Drop("shop/any"))
    world.advance(DETECT_S)
    await world.settle()

    await client.send(GET)

    assert b" 404 " in await client.head()
    await other.send(BYTES["redis"])
    await world.settle()
    assert other.channel.has_input()


LEAVES = {"connectionPool": {"drain": "30s"}}


@pytest.mark.parametrize("greeted", [True, False])
async def test_connection_pool_drain_ends_one_that_was_opened_in_a_silence(place, world, greeted):
    place.serve(place.endpoint, LEAVES)
    client = await place.silent_client()
    server = await place.endpoint.accept()
    if greeted:
        await server.send(b"220 ready\r\n")
    await client.exactly(11) if greeted else await world.settle()

    other = world.endpoint()
    place.serve(other, LEAVES)
    world.advance(30)

    with suppress(ConnectionLost):
        assert await server.rest() == b""
    if greeted:
        with pytest.raises(ConnectionLost):
            await client.rest()
        assert world.route.stats.connections.reasons == {"endpoint-left": 1}
    else:
        await client.send(BYTES["redis"])
        assert await (await other.accept()).exactly(6) == BYTES["redis"]


async def test_what_is_passed_on_is_counted_as_a_connection(place, world):
    client = await place.silent_client()
    server = await place.endpoint.accept()
    await server.send(b"220 ready\r\n")
    await client.exactly(11)
    await client.send(b"QUIT\r\n")
    await server.exactly(6)
    server.close()
    client.close()
    await world.settle()

    stats = world.route.stats.connections
    assert (stats.opened, stats.active, stats.reasons) == (1, 0, {"": 1})
    assert stats.bytes == {"to_endpoint": 6, "to_client": 11}


async def test_the_beginning_of_a_line_is_counted_as_well_as_the_rest(place, world):
    place.serve(place.endpoint, policies={"redis": {"commandMetrics": True}})
    client = await place.client(b"PI")
    await world.settle()
    world.advance(DETECT_S)
    server = await place.endpoint.accept()
    await server.exactly(2)
    await client.send(b"NG\r\n")
    await server.exactly(4)
    server.close()
    client.close()
    await world.settle()

    assert world.route.stats.connections.bytes == {"to_endpoint": 6, "to_client": 0}
    assert world.route.stats.redis_commands == {"ping": 1}
    assert world.log[0][-1].to_endpoint == 6


async def test_a_client_that_goes_leaves_nothing_behind(place, world):
    client = await place.silent_client()
    server = await place.endpoint.accept()
    await world.settle()

    client.reset()

    await server.rest()
    await world.settle()
    assert not world.connections.open and world.route.stats.requests == {}


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("first", [GET, BYTES["redis"], b""])
async def test_a_connection_that_was_opened_in_a_silence_is_closed_whenever_its_client_is_cancelled(
    place, world, first, turns
):
    client = await place.silent_client()
    server = await place.endpoint.accept()
    await world.settle()
    if first:
        await client.send(first)
    else:
        world.advance(GREETING_S)

    await world.settle(turns)
    world.connections.cancel()

    with suppress(ConnectionLost):
        await server.rest()
    await world.settle()
    (endpoint,) = world.clusters.get(f"shop/any:{place.endpoint.port}").endpoints
    assert endpoint.connections == 0 and endpoint.active == 0 and not world.connections.open


async def test_an_endpoint_that_fails_while_the_beginning_of_a_line_is_passed_on_resets_the_client(place, world):
    client = await place.client(b"hel")
    await world.settle()
    world.advance(DETECT_S)
    server = await place.endpoint.accept()
    await server.exactly(3)
    world.advance(DETECT_S)

    client.channel._sock.send(b"lo")
    server.reset()
    await world.settle()

    with pytest.raises(ConnectionLost):
        await client.exactly(1)
    await world.settle()
    assert world.route.stats.connections.reasons == {"connection-lost": 1}
