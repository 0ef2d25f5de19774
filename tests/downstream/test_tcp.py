"""TCP at a service's own address: whatever the two sides say reaches the other one, whoever speaks first."""

import socket
from contextlib import suppress
from dataclasses import replace

import pytest

from nodeproxy.downstream.connections import FRESH_S
from nodeproxy.downstream.http1 import USED_S
from nodeproxy.downstream.tcp import TcpConnection
from nodeproxy.errors import ConnectionLost
from nodeproxy.exchange.connection import Ended
from nodeproxy.io.connect import connect
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Drop, Replace
from nodeproxy.protocol.proxy_v2 import LOCAL, header
from tests.fakes.own_address import AtOwnAddress
from tests.fakes.world import Peer

ADDRESS = "127.77.9.4"
RETRIED = {"retries": {"attempts": 1, "retryOn": ["5xx"]}}


class Database(AtOwnAddress):
    """One TCP service at its own address, with scripted endpoints at addresses of their own, all at one port."""

    def __init__(self, world):
        super().__init__(world)
        self.endpoint = world.endpoint()
        self.port = self.endpoint.port
        self.serve()

    def serve(self, *endpoints, policies=None, protocol="tcp", **fields):
        """Put it over these endpoints, or its own, into the table."""
        addresses = tuple(Endpoint("127.0.0.1", each.port) for each in endpoints or (self.endpoint,))
        self.install((Port(self.port, "sql", protocol, addresses),), policies, **fields)

    def install(self, ports, policies=None, **fields):
        self.put(Replace((Service("shop", "db", ADDRESS, ports, policies or {}, **fields),)))

    async def client(self):
        """A connection to the service."""
        return Peer(self.world, await connect(self.world.reactor, (ADDRESS, self.port), ConnectionLost))

    async def joined(self):
        """Both ends of a connection, which have spoken."""
        client = await self.client()
        server = await self.endpoint.accept()
        await client.send(b"hello")
        await server.exactly(5)
        return client, server

    @property
    def numbers(self):
        return self.world.route.stats.connections

    @property
    def endpoints(self):
        return self.world.clusters.get(f"shop/db:{self.port}").endpoints

    async def failure(self, client):
        """The error that the client sees."""
        with pytest.raises(ConnectionLost) as lost:
            await client.exactly(1)
        await self.world.settle()
        return str(lost.value)


@pytest.fixture
def database(world):
    """The service, closed after the test."""
    database = Database(world)
    yield database
    database.close()


async def test_a_server_may_speak_first(database):
    client = await database.client()
    server = await database.endpoint.accept()

    await server.send(b"220 ready\r\n")
    assert await client.exactly(11) == b"220 ready\r\n"
    await client.send(b"EHLO x\r\n")

    assert await server.exactly(8) == b"EHLO x\r\n"


RESET = "Connection reset by peer"
CALLER = ("", "node")


async def test_one_side_may_end_and_still_hear_the_other(database):
    client, server = await database.joined()

    client.channel.half_close()
    heard = await server.rest()
    await server.send(b"an answer")
    server.close()

    assert (heard, await client.rest()) == (b"", b"an answer")
    await database.world.settle()
    assert database.numbers.reasons == {"": 1} and not database.world.connections.open


async def test_a_client_may_say_all_and_end_before_it_is_connected(database):
    client = await database.client()
    await client.send(b"all of it")
    client.channel.half_close()

    server = await database.endpoint.accept()

    assert await server.rest() == b"all of it"
    await server.send(b"done")
    server.close()
    assert await client.rest() == b"done"


async def test_it_is_counted_as_a_connection_and_not_as_a_request(database):
    client, server = await database.joined()
    database.world.advance(100)
    await server.send(b"abc")
    await client.exactly(3)
    numbers = database.numbers
    opened = numbers.opened, numbers.active, dict(numbers.ended), database.endpoints[0].active

    client.close()
    await server.rest()
    server.close()
    await database.world.settle()

    assert opened == (1, 1, {}, 1)
    assert (numbers.opened, numbers.active, numbers.seconds) == (1, 0, 100.0)
    assert dict(numbers.ended) == {("", CALLER): 1}
    assert numbers.bytes == {"to_endpoint": 5, "to_client": 3}
    assert database.endpoints[0].active == 0 and database.endpoints[0].pool.count == 0
    stats = database.world.route.stats
    assert not stats.requests and not stats.seconds and stats.tunnels is None


async def test_it_is_logged_when_it_has_ended(database):
    client, server = await database.joined()
    await server.send(b"abc")
    await client.exactly(3)
    database.world.advance(2)
    begun = list(database.world.log)

    client.close()
    server.close()
    await database.world.settle()

    ((exchange, name, ended),) = database.world.log
    assert begun == []
    assert (name, exchange.client, exchange.tries) == (f"shop/db:{database.port}", "127.0.0.1", 1)
    assert exchange.endpoint_name == f"127.0.0.1:{database.endpoint.port}"
    assert ended == Ended("tcp", "", 5, 3, 2.0)


async def test_where_the_port_is_tls_the_log_says_so(database):
    database.serve(protocol="tls")
    client, server = await database.joined()
    client.close()
    server.close()
    await database.world.settle()

    assert database.world.log[0][2].protocol == "tls"


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda database: database.install((Port(database.port, "sql", "tcp"),)), "no-endpoints"),
        (lambda database: database.endpoint.stop(), "connect-failed"),
        (
            lambda database: database.serve(policies={"rateLimit": {"requestsPerSecond": 1e-6, "burst": 1}}),
            "rate-limited",
        ),
    ],
)
async def test_what_is_refused_is_reset_and_counted(database, prepare, reason):
    prepare(database)
    if reason == "rate-limited":
        await database.joined()

    client = await database.client()

    assert RESET in await database.failure(client)
    stats = database.world.route.stats
    assert stats.connections.reasons == {reason: 1} and not stats.requests
    assert database.world.log[-1][2].reason == reason


async def test_of_several_endpoints_one_that_accepts_gets_it(database):
    gone = database.world.endpoint()
    gone.stop()
    database.serve(gone, database.endpoint)

    for _ in range(4):
        client, server = await database.joined()
        client.close()
        await server.rest()

    usable = [endpoint.health.ejected_until == 0 for endpoint in database.endpoints]
    assert usable == [False, True]


async def test_an_endpoint_that_accepts_and_resets_resets_its_client(database):
    client = await database.client()
    server = await database.endpoint.accept()
    await database.world.settle()

    server.reset()

    assert RESET in await database.failure(client)
    assert database.numbers.reasons == {"connection-lost": 1}


async def test_what_an_endpoint_said_before_it_failed_arrives_before_the_reset(database):
    client, server = await database.joined()
    data = bytes(range(250)) * 100

    await server.send(data)
    await database.world.settle()
    server.reset()

    assert await client.exactly(len(data)) == data
    assert RESET in await database.failure(client)


async def test_a_slow_client_gets_all_that_an_endpoint_said_before_it_failed(database):
    client, server = await database.joined()

    async def talk():
        with suppress(ConnectionLost):
            while True:
                await server.send(bytes(64 * 1024))

    talking = database.world.reactor.spawn(talk())
    await database.world.settle(300)
    await client.send(b"never read")
    server.reset()
    await talking.join()
    received = 0
    try:
        while data := await client.channel.recv():
            received += len(data)
    except ConnectionLost as lost:
        error = str(lost)

    assert RESET in error
    assert received == database.numbers.to_client.bytes > 64 * 1024


async def test_a_client_that_does_not_read_has_little_time_for_an_endpoints_last_words(database):
    sock = database.world.keep(socket.socket())
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect((ADDRESS, database.port))
    server = await database.endpoint.accept()
    await server.send(bytes(16 * 1024))
    await database.world.settle(50)
    server.reset()
    await database.world.settle(50)
    waiting = len(database.world.connections.open)

    database.world.advance(2.1)
    await database.world.settle(50)

    assert waiting == 1 and not database.world.connections.open
    assert database.numbers.reasons == {"connection-lost": 1}


async def test_a_client_that_resets_resets_its_endpoint(database):
    client, server = await database.joined()

    client.reset()

    with pytest.raises(ConnectionLost):
        await server.exactly(1)
    await database.world.settle()
    assert database.numbers.reasons == {"client-gone": 1}


async def test_a_client_that_goes_while_it_is_being_connected_ends_the_attempt(database):
    full = full_listener(database.world)
    database.serve(full)
    client = await database.client()
    await database.world.settle()
    waiting = database.endpoints[0].active

    client.reset()
    await database.world.settle()

    assert waiting == 1 and database.endpoints[0].active == 0 and not database.world.connections.open
    assert database.numbers.reasons == {"client-gone": 1}
    assert database.endpoints[0].health.ejections == 0


async def test_an_endpoint_that_does_not_answer_is_given_up_after_timeouts_connect(database):
    full = full_listener(database.world)
    database.serve(full, policies={"timeouts": {"connect": "3s"}})
    client = await database.client()
    await database.world.settle()

    database.world.advance(3.1)

    assert RESET in await database.failure(client)
    assert database.numbers.reasons == {"connect-failed": 1}


class full_listener:
    """A port that answers no connection: its queue is full."""

    def __init__(self, world):
        self.sock = world.keep(socket.socket())
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(0)
        self.port = self.sock.getsockname()[1]
        for _ in range(2):
            filler = world.keep(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))


async def test_one_in_which_nothing_moves_is_closed_after_timeouts_tcp_idle(database):
    database.serve(policies={"timeouts": {"tcpIdle": "10s", "responseHead": "2s", "request": "3s", "idle": "4s"}})
    client, server = await database.joined()
    for _ in range(3):
        database.world.advance(9.9)
        await client.send(b"ping")
        await server.exactly(4)
        database.world.advance(9.9)
        await server.send(b"pong")
        await client.exactly(4)
    database.world.advance(10.1)

    assert await client.rest() == b"" and await server.rest() == b""
    await database.world.settle()
    assert database.numbers.reasons == {"timeout": 1}
    assert database.world.route.stats.decisions == {("timeouts", "tcp-idle", "enforce"): 1}


async def test_by_default_an_idle_one_lives_for_an_hour(database):
    client, server = await database.joined()

    database.world.advance(3599)
    await database.world.settle()
    lives = len(database.world.connections.open)
    database.world.advance(2)

    assert lives == 1 and await client.rest() == b"" and await server.rest() == b""


@pytest.mark.parametrize("policies", [{"timeouts": {"tcpIdle": "0s"}}, {"timeouts": {"mode": "shadow"}}])
async def test_an_idle_one_lives_for_ever_where_that_is_switched_off(database, policies):
    database.serve(policies=policies)
    client, server = await database.joined()

    for _ in range(3):
        database.world.advance(4000)
        await database.world.settle()
    await client.send(b"still")

    assert await server.exactly(5) == b"still"
    shadow = {("timeouts", "tcp-idle", "shadow"): 1} if "mode" in policies["timeouts"] else {}
    assert database.world.route.stats.decisions == shadow


async def test_a_draining_worker_leaves_it_until_its_limit(database):
    client, server = await database.joined()
    connections = database.world.connections
    connections.drain()
    connections.hang_up()
    await database.world.settle()
    await client.send(b"still here")
    heard = await server.exactly(10)

    connections.cancel()

    assert heard == b"still here"
    assert RESET in await database.failure(client)
    assert database.numbers.reasons == {"drained": 1} and database.numbers.active == 0


async def test_a_bug_ends_one_connection_and_is_counted(database):
    class Bug(Exception):
        pass

    def fail(*_):
        raise Bug

    other, _ = await database.joined()
    client = await database.client()
    context = database.world.context
    with pytest.raises(Bug):
        TcpConnection(replace(context, match=fail), database.world.own(client.channel), "127.0.0.1").serve().send(None)

    assert database.world.stats.unrouted.connections.reasons == {"internal": 1}
    await other.send(b"goes on")


async def test_a_full_worker_closes_none_for_another_client(database):
    database.world.connections.most = 1
    first, server = await database.joined()

    second = await database.client()
    await second.send(b"waits")
    await database.world.settle()
    waiting = database.endpoint.nobody_came()
    first.close()
    server.close()
    await database.world.settle()
    database.world.advance(0.2)

    assert waiting
    assert await (await database.endpoint.accept()).exactly(5) == b"waits"
    second.close()


async def test_one_to_an_endpoint_that_has_left_goes_on(database):
    client, server = await database.joined()
    other = database.world.endpoint()

    database.serve(other)
    await client.send(b"still")
    heard = await server.exactly(5)
    new = await database.client()
    await new.send(b"new")

    assert heard == b"still"
    assert await (await other.accept()).exactly(3) == b"new"


async def test_one_to_an_endpoint_that_has_left_is_reset_after_connection_pool_drain(database):
    policies = {"connectionPool": {"drain": "30s"}}
    database.serve(policies=policies)
    client, server = await database.joined()
    other = database.world.endpoint()
    database.serve(other, policies=policies)
    kept = await database.client()
    await other.accept()

    database.world.advance(29)
    await client.send(b"still")
    await server.exactly(5)
    database.world.advance(1.1)

    assert RESET in await database.failure(client)
    assert database.numbers.reasons == {"endpoint-left": 1}
    assert len(database.world.connections.open) == 1
    kept.close()


async def test_one_more_than_max_connections_waits_for_a_place(database):
    database.serve(policies={"connectionPool": {"maxConnections": 1}})
    first, server = await database.joined()
    second = await database.client()
    await second.send(b"mine")
    await database.world.settle()
    waited = database.endpoint.nobody_came()

    first.close()
    server.close()

    assert waited
    assert await (await database.endpoint.accept()).exactly(4) == b"mine"


async def test_one_that_gets_no_place_within_timeouts_connect_is_reset(database):
    database.serve(policies={"connectionPool": {"maxConnections": 1}, "timeouts": {"connect": "3s"}})
    await database.joined()
    second = await database.client()
    await database.world.settle()

    database.world.advance(3.1)

    assert RESET in await database.failure(second)
    assert database.numbers.reasons == {"connection-pool-full": 1}
    assert database.endpoints[0].health.ejections == 0 and database.endpoints[0].active == 1


async def test_a_client_that_waits_for_a_place_and_goes_leaves_it_to_the_next(database):
    database.serve(policies={"connectionPool": {"maxConnections": 1}})
    first, server = await database.joined()
    gone, next_one = await database.client(), await database.client()
    await next_one.send(b"mine")
    await database.world.settle()

    gone.reset()
    await database.world.settle()
    first.close()
    server.close()

    assert await (await database.endpoint.accept()).exactly(4) == b"mine"


async def test_the_endpoint_with_the_fewest_open_connections_gets_the_next(database):
    other = database.world.endpoint()
    database.serve(database.endpoint, other)
    for _ in range(10):
        await database.client()
    await database.world.settle(50)

    assert sorted(endpoint.active for endpoint in database.endpoints) == [5, 5]
    assert [endpoint.connections for endpoint in database.endpoints] == [5, 5]
    busy, free = database.endpoints
    busy.active += 5
    for _ in range(4):
        await database.client()
    await database.world.settle(50)
    busy.active -= 5
    assert free.active == 9


@pytest.mark.parametrize(
    "written",
    [
        {"policies": {"loadBalancer": {"consistentHash": {"useSourceIp": True}}}},
        {"affinity_s": 60.0},
    ],
)
async def test_the_connections_of_one_client_go_to_one_endpoint(database, written):
    other = database.world.endpoint()
    database.serve(database.endpoint, other, **written)

    for _ in range(6):
        await database.client()
    await database.world.settle(50)

    assert sorted(endpoint.active for endpoint in database.endpoints) == [0, 6]


async def test_a_new_endpoint_warms_up(database):
    database.serve(policies={"loadBalancer": {"warmup": {"duration": "100s", "minimumPercent": 10}}})
    database.world.advance(200)
    other = database.world.endpoint()
    database.serve(
        database.endpoint, other, policies={"loadBalancer": {"warmup": {"duration": "100s", "minimumPercent": 10}}}
    )

    for _ in range(10):
        await database.client()
    await database.world.settle(50)

    old, new = database.endpoints
    assert new.active < old.active


OUTLIERS = {"consecutive5xxErrors": 3, "maxEjectionPercent": 100}


@pytest.mark.parametrize(
    ("settings", "outcome"),
    [
        (OUTLIERS, "consecutive-5xx"),
        ({**OUTLIERS, "consecutive5xxErrors": 0, "consecutiveGatewayErrors": 3}, "consecutive-gateway-errors"),
        ({**OUTLIERS, "splitExternalLocalOriginErrors": True, "consecutiveLocalOriginFailures": 3}, "local-origin"),
    ],
)
async def test_failed_connects_eject_an_outlier(database, settings, outcome):
    gone = database.world.endpoint()
    gone.stop()
    database.serve(gone, database.endpoint, policies={"outlierDetection": settings})

    for _ in range(3):
        while database.endpoints[0].active == 0 and not failing(database, outcome):
            client = await database.client()
            await database.world.settle()
            client.close()
            await database.world.settle()
            database.world.advance(61)  # the ejection for the failed connect is over

    assert database.world.route.stats.decisions[("outlierDetection", outcome, "enforce")] == 1


def failing(database, outcome):
    return ("outlierDetection", outcome, "enforce") in database.world.route.stats.decisions


async def test_an_established_connection_is_a_success_at_once(database):
    database.serve(policies={"outlierDetection": OUTLIERS})
    (endpoint,) = database.endpoints
    await database.joined()
    record = endpoint.health.outlier
    record.errors = 2

    client, server = await database.joined()

    assert (record.errors, record.successes) == (0, 2)
    server.reset()
    await database.failure(client)
    assert (record.errors, record.successes, record.failures) == (0, 2, 0)


async def test_an_endpoint_learns_the_callers_address_by_the_proxy_protocol(database):
    database.serve(policies={"proxyProtocol": {}})
    client = await database.client()
    await client.send(b"hello")
    server = await database.endpoint.accept()

    seen = await server.exactly(28 + 5)

    port = client.channel._sock.getsockname()[1]
    assert seen == header(("127.0.0.1", port), (ADDRESS, database.port)) + b"hello"
    assert database.world.route.stats.decisions == {("proxyProtocol", "sent", "enforce"): 1}


async def test_in_shadow_mode_no_header_is_sent(database):
    database.serve(policies={"proxyProtocol": {"mode": "shadow"}})

    await database.joined()

    assert database.world.route.stats.decisions == {("proxyProtocol", "sent", "shadow"): 1}


async def test_they_are_reported_apart_from_requests(database):
    await database.joined()

    (numbers,) = database.world.plane.ports.numbers("shop/db")
    report = numbers.report()

    assert (numbers.state.active, numbers.state.connections) == (0, 1)
    assert report.counters.connections.opened == 1
    assert report.counters.connections.bytes == {"to_endpoint": 5, "to_client": 0}
    assert database.world.plane.ports.usage("shop/db").active == 1


async def test_a_report_is_due_when_a_byte_has_moved_or_one_has_ended(database):
    def mark():
        (numbers,) = database.world.plane.ports.numbers("shop/db")
        return numbers.mark

    before = mark()
    client, server = await database.joined()
    opened = mark()
    await client.send(b"x")
    await server.exactly(1)
    moved = mark()
    client.close()
    server.close()
    await database.world.settle()

    assert before != opened != moved != mark()


async def test_the_endpoints_of_a_tcp_port_are_probed_by_connecting(database):
    database.serve(policies={"healthCheck": {}, "proxyProtocol": {}})

    (target,) = database.world.plane.ports.probe_targets()

    assert (target.connects, target.first) == (True, LOCAL)


@pytest.mark.parametrize(("settings", "connects"), [({}, True), ({"path": "/"}, False), ({"grpc": {}}, False)])
async def test_a_port_that_may_carry_anything_is_asked_only_what_is_written(database, settings, connects):
    database.serve(policies={"healthCheck": settings}, protocol="detect")

    (target,) = database.world.plane.ports.probe_targets()

    assert (target.connects, target.first) == (connects, b"")


async def test_a_request_that_a_policy_sends_to_a_port_without_http_gets_no_tunnel(database):
    world, web = database.world, database.world.endpoint()
    place = {"split": {"targets": [{"service": "db", "port": database.port, "weight": 1}]}}
    http = Service("shop", "web", "", (Port(80, "http", "http", (Endpoint("127.0.0.1", web.port),)),), place)
    sql = Port(database.port, "sql", "tcp", (Endpoint("127.0.0.1", database.endpoint.port),))
    world.install(Replace((http, Service("shop", "db", ADDRESS, (sql,), {}))))
    client = await world.client()

    await client.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n")

    assert (await client.head()).startswith(b"HTTP/1.1 503 ")
    assert b"shop/db:" in await client.until(b"\n")
    assert database.endpoint.nobody_came()
    assert [key[:2] for key in world.live.table.routes["shop/web"]["80"].stats.requests] == [(503, "protocol-mismatch")]


@pytest.mark.parametrize(("protocol", "refused"), [("http", True), ("http2", True), ("detect", False), ("tls", False)])
async def test_a_connection_that_a_split_sends_to_another_service_is_never_spoken_to_in_http(
    database, protocol, refused
):
    world, other = database.world, database.world.endpoint()
    place = {"split": {"targets": [{"service": "other", "port": 80}]}}
    sql = Port(database.port, "sql", "tcp", (Endpoint("127.0.0.1", database.endpoint.port),))
    web = Service("shop", "other", "", (Port(80, "main", protocol, (Endpoint("127.0.0.1", other.port),)),), {})
    world.install(Replace((Service("shop", "db", ADDRESS, (sql,), place), web)))
    client = await database.client()
    await client.send(b"hello")

    if refused:
        assert RESET in await database.failure(client)
        assert other.nobody_came()
        assert world.live.table.routes["shop/db"][str(database.port)].stats.connections.reasons == {
            "protocol-mismatch": 1
        }
    else:
        assert await (await other.accept()).exactly(5) == b"hello"


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
async def test_a_client_that_comes_while_its_service_leaves_is_reset(database, protocol):
    database.serve(protocol=protocol)
    client = database.world.keep(socket.create_connection((ADDRESS, database.port)))
    database.world.install(Drop("shop/db"))

    database.world.reactor.call_at(0, database.virtual.follow)
    await database.world.settle()

    client.setblocking(False)
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert database.world.stats.unrouted.connections.reasons == {"unknown-service": 1}


async def test_tcp_leaves_room_for_clients_of_http(database):
    world = database.world
    world.connections.most = 8
    for _ in range(7):
        await database.client()
        await database.endpoint.accept()
    one_more = await database.client()

    assert RESET in await database.failure(one_more)
    assert database.numbers.reasons == {"worker-full": 1}

    for _ in range(3):
        client = await world.client()
        await client.send(b"GET / HTTP/1.1\r\nHost: nobody.shop.mesh\r\n\r\n")
        assert (await client.head()).startswith(b"HTTP/1.1 404 ")
        world.advance(USED_S + 2 * FRESH_S)


async def test_an_idle_client_of_http_makes_way_at_once_however_many_are_of_tcp(database):
    world = database.world
    for _ in range(140):
        await database.client()
        await database.endpoint.accept()
    idle = await world.client()
    await world.settle()
    for _ in range(3):
        await database.client()
    world.advance(1)
    await world.settle()

    assert world.connections.make_room()

    assert await idle.rest() == b""


async def test_a_client_of_http_whose_port_has_become_one_of_tcp_is_told_so(database):
    database.serve(protocol="http")
    client = await database.client()
    await client.send(b"GET / HTTP/1.1\r\nHost: db\r\n\r\n")
    server = await database.endpoint.accept()
    await server.head()
    await server.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    await client.head()

    database.serve(protocol="tcp")
    await client.send(b"GET / HTTP/1.1\r\nHost: db\r\n\r\n")

    assert (await client.head()).startswith(b"HTTP/1.1 404 ")
    assert b"takes no HTTP any more" in await client.until(b"\n")
    assert database.endpoint.nobody_came()


async def test_a_request_is_not_sent_again_to_a_port_that_has_become_one_of_tcp_meanwhile(database):
    async def becomes_tcp(_seconds):
        database.serve(protocol="tcp", policies=RETRIED)

    database.serve(protocol="http", policies=RETRIED)
    database.world.sleep = becomes_tcp
    client = await database.client()
    await client.send(b"GET / HTTP/1.1\r\nHost: db\r\n\r\n")
    server = await database.endpoint.accept()
    await server.head()
    await server.send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")

    assert b"x-mesh-error: protocol-mismatch\r\n" in await client.head()
    assert database.endpoint.nobody_came()


async def test_a_connection_that_waits_is_not_taken_to_a_port_that_has_become_one_of_http_meanwhile(database):
    policies = {"connectionPool": {"maxConnections": 1}}
    database.serve(policies=policies)
    await database.joined()
    waiting = await database.client()
    await database.world.settle()

    database.serve(protocol="http", policies=policies)

    assert "reset" in await database.failure(waiting)
    assert database.numbers.ended["protocol-mismatch", ("", "node")] == 1 and database.endpoint.nobody_came()
