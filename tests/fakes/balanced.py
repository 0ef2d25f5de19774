"""A service whose endpoints answer by themselves, each as its test says."""

from typing import NamedTuple

from nodeproxy.balance.standing import standing
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Put, Replace

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Served(NamedTuple):
    """A response, and the number of the endpoint that was asked last; None where none was."""

    server: int | None
    head: bytes
    status: int


class Balanced:
    """`answers` holds what each endpoint sends to a request; None: it closes the connection instead."""

    def __init__(self, world, number, policies):
        self.world = world
        self.servers = [world.endpoint() for _ in range(number)]
        self.answers = [OK] * number
        self.asked = []
        self._peers = []
        self._client = None
        world.install(Replace(()))
        self.install(policies)

    def install(self, policies):
        """Put the service in force with these policies."""
        self.policies = policies
        endpoints = tuple(Endpoint("127.0.0.1", server.port) for server in self.servers)
        self.world.install(Put(Service("shop", "web", "", (Port(80, "http", "http", endpoints),), policies)))

    def add(self):
        """One endpoint more."""
        self.servers.append(self.world.endpoint())
        self.answers.append(OK)
        self.install(self.policies)

    @property
    def cluster(self):
        return self.world.clusters.get("shop/web:80")

    def members(self):
        return self.cluster.endpoints

    def standings(self):
        """What is known of each endpoint, by its name."""
        now = self.world.clock.now
        return {endpoint.name: standing(endpoint.health, now) for endpoint in self.cluster.endpoints}

    def figures(self, policy):
        """What this policy exports."""
        route = self.world.live.table.at("shop/web", "80")
        return dict(policy.numbers(route.states[policy.name]))

    def number_of(self, name):
        """Which of the servers an endpoint is."""
        return [f"127.0.0.1:{server.port}" for server in self.servers].index(name)

    def decisions(self):
        return self.world.live.table.at("shop/web", "80").stats.decisions

    async def get(self, line=b"", target=b"/"):
        """The response to a GET."""
        if self._client is None or self._client.channel.closed:
            self._client = await self.world.client()
        self.asked = []
        await self._client.send(b"GET %b HTTP/1.1\r\nHost: web.shop.mesh\r\n%b\r\n" % (target, line and line + b"\r\n"))
        reading = self.world.reactor.spawn(self._read(heads := []))
        while not reading.ended:
            await self.world.reactor.rest()
            await self._serve()
        head = heads[0]
        if b"\r\nconnection: close\r\n" in head.lower():
            self.leave()
        return Served(self.asked[-1] if self.asked else None, head, int(head[9:12]))

    def leave(self):
        """Ask by another connection from now on."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def ask_only(self, member):
        """Send a request while all other endpoints are unhealthy."""
        for each in self.members():
            each.health.probes_down = each is not member
        self.cluster.review()
        served = await self.get()
        for each in self.members():
            each.health.probes_down = False
        self.cluster.review()
        return served

    async def _read(self, heads):
        head = await self._client.head()
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await self._client.exactly(int(length or 0))
        heads.append(head)

    async def serve_one(self):
        """Let the endpoints answer all that comes now."""
        for _ in range(20):
            await self.world.reactor.rest()
            await self._serve()

    async def _serve(self):
        for number, server in enumerate(self.servers):
            peer = server.waiting()
            if peer is not None:
                self._peers.append((number, peer))
                self.world.reactor.spawn(self._answer(number, peer))

    async def _answer(self, number, peer):
        received = b""
        while data := await peer.channel.recv():
            received += data
            while b"\r\n\r\n" in received:
                received = received.partition(b"\r\n\r\n")[2]
                self.asked.append(number)
                if self.answers[number] is None:
                    peer.close()
                    return
                await peer.send(self.answers[number])
                if b"Connection: close" in self.answers[number]:
                    peer.close()
                    return
