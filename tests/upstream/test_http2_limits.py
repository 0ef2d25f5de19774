"""`connectionPool` over HTTP/2: a connection carries many requests; and its counters, under whatever may happen."""

from contextlib import suppress
from random import Random

import pytest
from h2.events import RequestReceived, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from nodeproxy.errors import ConnectionLost
from tests.fakes.http2 import http2_accept, http2_client, http2_server, meanwhile, request

NO_RETRIES = {"retries": {"attempts": 0}}
ONE_STREAM = {SettingCodes.MAX_CONCURRENT_STREAMS: 1}
STEPS = 80


def serve(world, *endpoints, **settings):
    world.serve(*endpoints, protocol="http2", policies={**NO_RETRIES, "connectionPool": settings})


def decisions(world):
    return {outcome: number for (_policy, outcome, _mode), number in world.route.stats.decisions.items()}


async def test_a_stream_that_is_free_is_kept_for_a_request_that_waits_until_that_has_its_turn(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxConnections=1)
    client = await http2_client(world)
    numbers = [await client.request() for _ in range(2)]
    server = await http2_accept(endpoint, ONE_STREAM)
    stream, _ = await server.received_request()
    pool = world.clusters.get("shop/web:80").endpoints[0].pool
    await server.respond(stream)
    while pool.active:
        await world.reactor.rest()

    assert pool.limits.waiting == 1 and pool.take() is None

    stream, _ = await server.received_request()
    await server.respond(stream)
    assert [(await client.response(number))[0] for number in numbers] == [200] * 2


async def test_one_connection_is_enough_for_many_requests(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxConnections=1)
    client = await http2_client(world)
    numbers = [await client.request() for _ in range(10)]
    server = await http2_accept(endpoint)

    for _ in numbers:
        stream, _ = await server.received_request()
        await server.respond(stream)

    assert [(await client.response(number))[0] for number in numbers] == [200] * 10
    assert decisions(world) == {}


async def test_requests_beyond_what_its_connections_carry_wait(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxConnections=1)
    client = await http2_client(world)
    numbers = [await client.request() for _ in range(3)]
    server = await http2_accept(endpoint, ONE_STREAM)

    for _ in numbers:
        stream, _ = await server.received_request()
        await world.settle()
        await server.respond(stream)

    assert [(await client.response(number))[0] for number in numbers] == [200] * 3
    assert endpoint.nobody_came() and decisions(world)["queued"] == 2


async def test_requests_that_wait_go_on_when_the_endpoint_allows_more(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxConnections=1)
    client = await http2_client(world)
    for _ in range(5):
        await client.request()
    server = await http2_accept(endpoint, ONE_STREAM)
    await server.received_request()
    await server.settled()

    server.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 10})
    await server.flush()

    for _ in range(4):
        await server.received_request()


async def test_more_requests_than_allowed_are_answered_at_once(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxRequests=2)
    client = await http2_client(world)
    first, second = await client.request(), await client.request()
    server = await http2_accept(endpoint)
    streams = [(await server.received_request())[0] for _ in range(2)]
    third = await client.request()

    status, fields, _, _ = await client.response(third)
    assert (status, dict(fields)[b"x-mesh-error"]) == (503, b"connection-pool-full")
    for stream in streams:
        await server.respond(stream)
    assert [(await client.response(number))[0] for number in (first, second)] == [200, 200]
    number = await client.request()
    stream, _ = await server.received_request()
    await server.respond(stream)
    assert (await client.response(number))[0] == 200


async def test_more_waiting_requests_than_allowed_are_answered_at_once(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxConnections=1, maxPendingRequests=1)
    client = await http2_client(world)
    await client.request()
    server = await http2_accept(endpoint, ONE_STREAM)
    await server.received_request()
    await client.request()
    third = await client.request()

    assert (await client.response(third))[0] == 503
    assert decisions(world) == {"queued": 1, "max-pending": 1}


async def test_a_connection_carries_no_more_requests_than_allowed_not_even_at_a_time(world):
    endpoint = world.endpoint()
    serve(world, endpoint, maxRequestsPerConnection=2)
    client = await http2_client(world)
    numbers = [await client.request() for _ in range(4)]

    for _ in range(2):
        server = await http2_accept(endpoint)
        for _ in range(2):
            stream, _ = await server.received_request()
            await server.respond(stream)
        assert await server.goaway() == (0, 0)

    assert [(await client.response(number))[0] for number in numbers] == [200] * 4


async def test_an_idle_connection_of_another_endpoint_makes_way(world):
    first, second = world.endpoint(), world.endpoint()
    serve(world, first, maxConnections=1)
    client = await http2_client(world)
    number = await client.request()
    server = await http2_accept(first)
    stream, _ = await server.received_request()
    await server.respond(stream)
    await client.response(number)
    serve(world, first, second, maxConnections=1)
    for _ in range(4):
        number = await client.request()
        await world.settle()
        peer = second.waiting()
        if peer is not None:
            break
        stream, _ = await server.received_request()
        await server.respond(stream)
        await client.response(number)

    other = await http2_server(peer)
    stream, _ = await other.received_request()
    await other.respond(stream)
    assert (await client.response(number))[0] == 200
    assert await server.goaway() == (0, 0)


class Scene:
    """Clients, three endpoints and a policy that changes; `step` lets something happen."""

    def __init__(self, world, seed):
        self.world = world
        self.random = Random(seed)
        self.endpoints = [world.endpoint() for _ in range(3)]
        self.clients, self.servers, self.asked = [], [], []
        self.known = set()
        self.install()

    def install(self):
        chance = self.random
        policies = {"retries": {"attempts": chance.choice([0, 2]), "retryOn": ["connect-failure", "reset", "5xx"]}}
        if chance.random() < 0.85:
            policies["connectionPool"] = {
                "maxConnections": chance.randint(1, 4),
                "maxPendingRequests": chance.choice([0, 2, 1024]),
                "maxRequests": chance.choice([2, 5, 100]),
                "maxRequestsPerConnection": chance.choice([1, 3, 100]),
                "idleTimeout": chance.choice(["1s", "60s"]),
                "mode": "enforce" if chance.random() < 0.85 else "shadow",
            }
        chosen = chance.sample(self.endpoints, chance.choice([0, 1, 2, 3, 3]))
        self.world.serve(*chosen, protocol="http2", policies=policies)
        self.look()

    async def ask(self):
        if not self.clients or self.random.random() < 0.2:
            client = await http2_client(self.world)
            meanwhile(self.world, self.read(client))
            self.clients.append(client)
        client = self.random.choice(self.clients)
        ended = self.random.random() < 0.7
        with suppress(ConnectionLost, ProtocolError):
            fields = request(b"GET") if ended else request(b"PUT")
            self.asked.append((client, await client.request(fields, None if ended else b"abc", ended=ended)))

    async def answer(self, kind=None):
        """An endpoint does something about one of its requests."""
        waiting = [server for server in self.servers if server.waiting and not server.peer.channel.closed]
        if not waiting:
            return
        server = self.random.choice(waiting)
        stream = server.waiting.pop(self.random.randrange(len(server.waiting)))
        kind = kind or self.random.choice(["ok", "ok", "ok", "ok", "half", "refuse", "reset", "goaway", "die", "503"])
        with suppress(ConnectionLost, ProtocolError):
            if kind in ("ok", "503"):
                await server.respond(stream, b"ok", status=b"200" if kind == "ok" else b"503")
            elif kind == "half":
                server.h2.send_headers(stream, [(b":status", b"200")])
                server.h2.send_data(stream, b"half")
                await server.flush()
                server.h2.reset_stream(stream, 2)
                await server.flush()
            elif kind in ("refuse", "reset"):
                server.h2.reset_stream(stream, 7 if kind == "refuse" else 2)
                await server.flush()
            elif kind == "goaway":
                last = max(0, stream - 2).to_bytes(4, "big")
                await server.peer.channel.send(b"\0\0\x08\7\0\0\0\0\0" + last + b"\0\0\0\0")
                server.waiting = [each for each in server.waiting if each < stream]
            else:
                server.peer.reset()

    async def accept(self, odd=0.2):
        for endpoint in self.endpoints:
            while (peer := endpoint.waiting()) is not None:
                if self.random.random() < odd / 2:
                    peer.close()
                    continue
                few = {SettingCodes.MAX_CONCURRENT_STREAMS: self.random.choice([0, 1, 2])}
                server = await http2_server(peer, few if self.random.random() < odd else None)
                server.waiting = []
                meanwhile(self.world, self.read(server))
                self.servers.append(server)

    async def read(self, peer):
        try:
            while True:
                await peer._more()
                for event in peer.events:
                    if isinstance(event, RequestReceived):
                        peer.waiting.append(event.stream_id)
                    elif isinstance(event, StreamReset) and hasattr(peer, "waiting"):
                        peer.waiting = [each for each in peer.waiting if each != event.stream_id]
                peer.events.clear()
        finally:
            peer.peer.close()

    async def step(self):
        chance = self.random.random()
        if chance < 0.4:
            await self.ask()
        elif chance < 0.7:
            await self.answer()
        elif chance < 0.77 and self.asked:
            client, number = self.asked.pop(self.random.randrange(len(self.asked)))
            with suppress(ConnectionLost, ProtocolError):
                client.h2.reset_stream(number, 8)
                await client.flush()
        elif chance < 0.8 and self.clients:
            client = self.clients.pop(self.random.randrange(len(self.clients)))
            if not client.peer.channel.closed:
                client.peer.reset()
        elif chance < 0.9:
            self.world.advance(self.random.choice([0.1, 0.5, 2.0]))
        else:
            self.install()
        await self.world.settle(self.random.choice([0, 1, 5]))
        await self.accept()
        self.look()

    def look(self):
        """Every limits object that was ever in force counts what there is."""
        limits = self.world.route.states.get("connectionPool")
        cluster = self.world.clusters.get("shop/web:80")
        self.known.update(endpoint.pool for endpoint in cluster.endpoints)
        if limits is not None:
            counted = [pool for pool in self.known if pool.limits is limits]
            assert limits.connections == sum(pool.count for pool in counted)
            assert limits.busy == sum(pool.active for pool in counted)


@pytest.mark.parametrize("seed", range(25))
async def test_counters_return_to_what_is_open_and_nobody_is_forgotten(world, seed):
    scene = Scene(world, seed)
    for _ in range(STEPS):
        await scene.step()

    for _ in range(STEPS):  # from now on all are answered
        await scene.accept(0)
        await scene.answer("ok")
        await world.settle(3)
    limits = world.route.states.get("connectionPool")
    if limits is not None and world.clusters.get("shop/web:80").endpoints:
        assert limits.waiting == 0

    for client in scene.clients:
        client.peer.close()
    await world.settle()
    scene.look()
    assert not world.connections.open
    assert all(endpoint.active == 0 for endpoint in world.clusters.get("shop/web:80").endpoints)
    assert all(pool.active == 0 for pool in scene.known)
    assert limits is None or (limits.busy, limits.waiting) == (0, 0)

    world.advance(61)
    await world.settle()
    assert all(pool.count == 0 for pool in scene.known)
    assert limits is None or limits.connections == 0
