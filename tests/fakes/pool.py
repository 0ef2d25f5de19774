"""One endpoint of a worker and the server behind it."""

from nodeproxy.upstream.endpoint import Endpoint


class Pooled:
    """An endpoint's pool with its server; `open` returns both ends of new connections."""

    def __init__(self, world):
        self.world = world
        self.server = world.endpoint()
        self.endpoint = Endpoint(world.upstream, ("127.0.0.1", self.server.port))
        pool = self.endpoint.pool
        self.take, self.release, self.drain = pool.take, pool.release, pool.drain

    async def open(self, number=1):
        pairs = [(await self.connect(), await self.server.accept()) for _ in range(number)]
        return pairs[0] if number == 1 else pairs

    @property
    def idle_count(self):
        return self.endpoint.pool.idle_count

    async def connect(self):
        connection = await self.endpoint.pool.open(5.0)
        self.world.own(connection.channel)
        return connection
