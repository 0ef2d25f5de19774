"""`connectionPool` under whatever may happen at the same time, from seeds: its counters never drift."""

from random import Random

import pytest

from nodeproxy.errors import ConnectionLost

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
UPGRADE = GET[:-2] + b"Connection: upgrade\r\nUpgrade: chat\r\n\r\n"
UPLOAD = b"PUT / HTTP/1.1\r\nHost: web.shop.mesh\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ANSWERS = (
    OK,
    OK,
    OK,
    OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"),
    OK.replace(b"OK\r\n", b"OK\r\nKeep-Alive: timeout=0\r\n"),
    OK.replace(b"OK\r\n", b"OK\r\nKeep-Alive: timeout=999999999\r\n"),
    OK + b"surplus",
    OK[:-1],  # breaks off when its connection ends
    b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n",
    b"no HTTP\r\n\r\n",
    b"",
)
STEPS = 120


class Scene:
    """Clients, three endpoints and a policy that changes; `step` lets something happen."""

    def __init__(self, world, seed):
        self.world = world
        self.random = Random(seed)
        self.endpoints = [world.endpoint() for _ in range(3)]
        self.clients = []
        self.servers = []
        self.known = set()
        self.install()

    def install(self):
        """Other endpoints, other limits, or none."""
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
        self.world.serve(*chance.sample(self.endpoints, chance.choice([0, 1, 2, 3, 3])), policies=policies)
        self.look()

    async def ask(self):
        client = await self.world.client()
        self.world.reactor.spawn(self.read(client))
        self.clients.append(client)
        await client.send(self.random.choice([GET, GET, GET, UPGRADE, UPLOAD]))

    async def answer(self, answer=None):
        """An endpoint answers one of the requests that it has."""
        asking = [server for server in self.servers if b"\r\n\r\n" in server.received]
        if not asking:
            return
        server = self.random.choice(asking)
        server.received = b""
        answer = self.random.choice(ANSWERS) if answer is None else answer
        try:
            await server.send(answer)
        except ConnectionLost:
            server.close()
        if not answer.endswith(b"ok") or self.random.random() < 0.1:
            server.close()

    def accept(self, closing=0.1):
        """Accept what has come; a share of it is closed at once."""
        for endpoint in self.endpoints:
            while (server := endpoint.waiting()) is not None:
                if self.random.random() < closing:
                    server.close()
                    continue
                self.world.reactor.spawn(self.read(server))
                self.servers.append(server)

    async def step(self):
        chance = self.random.random()
        if chance < 0.4:
            await self.ask()
        elif chance < 0.7:
            await self.answer()
        elif chance < 0.8 and self.clients:
            client = self.clients.pop(self.random.randrange(len(self.clients)))
            if not client.channel.closed:
                client.reset()
        elif chance < 0.9:
            self.world.advance(self.random.choice([0.1, 0.5, 2.0]))
        else:
            self.install()
        await self.world.settle(self.random.choice([0, 1, 5]))
        self.accept()
        self.look()

    def look(self):
        """Every limits object that was ever in force counts within its bounds."""
        limits = self.world.route.states.get("connectionPool")
        cluster = self.world.clusters.get("shop/web:80")
        self.known.update(endpoint.pool for endpoint in cluster.endpoints)
        if limits is not None:
            counted = [pool for pool in self.known if pool.limits is limits]
            assert limits.connections == sum(pool.count for pool in counted)
            assert 0 <= limits.busy <= limits.connections

    async def read(self, peer):
        """Note what comes until it ends."""
        try:
            while data := await peer.channel.recv():
                peer.received += data
        except (ConnectionLost, OSError):
            pass  # whichever way it ends
        peer.close()


@pytest.mark.parametrize("seed", range(40))
async def test_counters_return_to_what_is_open_and_nobody_is_forgotten(world, seed):
    scene = Scene(world, seed)
    for _ in range(STEPS):
        await scene.step()

    for _ in range(STEPS):  # from now on all are answered, and without a deadline that would end a forgotten one
        scene.accept()
        await scene.answer(OK)
        await world.settle(3)
    limits = world.route.states.get("connectionPool")
    if limits is not None and scene.world.clusters.get("shop/web:80").endpoints:
        assert limits.waiting == 0

    for client in scene.clients:
        client.close()
    await world.settle()
    scene.look()
    assert not world.connections.open
    assert all(endpoint.active == 0 for endpoint in world.clusters.get("shop/web:80").endpoints)
    assert all(pool.count == pool.idle_count for pool in scene.known)
    assert limits is None or (limits.busy, limits.waiting) == (0, 0)

    world.advance(61)
    await world.settle()
    assert all(pool.count == 0 for pool in scene.known)
    assert limits is None or limits.connections == 0
