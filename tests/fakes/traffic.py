"""Traffic through a world in its own time: clients that ask one request after another, endpoints that take time."""

import random

from nodeproxy.errors import ProxyError

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
STEP_S = 0.0005


def healthy(rnd):
    """Seconds that an endpoint takes: 2 ms and an exponential tail of 3 ms."""
    return 0.002 + rnd.expovariate(1 / 0.003)


class Traffic:
    """What `clients` see of `requests` requests, and how many reach each endpoint.

    `serve(rnd, endpoint, number)` returns the seconds and the status of one answer; a status of 0 is a reset.
    """

    def __init__(self, world, policies, serve, endpoints=5, clients=10, requests=1000, seed=1):
        self.world = world
        self.statuses = []
        self.latencies_s = []
        self.load = [0] * endpoints
        self._serve = serve
        self._requests = requests
        self._clients = clients
        self._random = random.Random(seed)
        self._endpoints = [world.endpoint() for _ in range(endpoints)]
        world.sleep = world.reactor.sleep
        world.reopen(observer=None)
        world.serve(*self._endpoints, policies=policies)

    async def run(self):
        reactor = self.world.reactor
        tasks = [reactor.spawn(self._accept(*each)) for each in enumerate(self._endpoints)]
        clients = [reactor.spawn(self._ask()) for _ in range(self._clients)]
        while not all(client.ended for client in clients):
            await self.world.settle(6)
            self.world.advance(STEP_S)
        for task in (*tasks, *self.world.connections.open.values()):
            task.cancel()
        await self.world.settle()

    @property
    def load_ratio(self):
        """Requests at endpoints for each request of a client."""
        return sum(self.load) / len(self.statuses)

    def quantile_s(self, share):
        return sorted(self.latencies_s)[int(share * len(self.latencies_s))]

    async def _ask(self):
        client = await self.world.client()
        while len(self.statuses) < self._requests:
            began = self.world.reactor.now
            await client.send(GET)
            self.statuses.append(0)
            number = len(self.statuses) - 1
            head = await client.head()
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await client.exactly(length)
            self.statuses[number] = int(head[9:12])
            self.latencies_s.append(self.world.reactor.now - began)

    async def _accept(self, number, endpoint):
        while True:
            self.world.reactor.spawn(self._answer(await endpoint.accept(), number))

    async def _answer(self, peer, number):
        try:
            while await peer.channel.recv():
                self.load[number] += 1
                seconds, status = self._serve(self._random, number, len(self.statuses))
                await self.world.reactor.sleep(seconds)
                if not status:
                    peer.reset()
                    return
                await peer.send(b"HTTP/1.1 %d It\r\nContent-Length: 2\r\n\r\nok" % status)
        except ProxyError:
            pass
        peer.close()
