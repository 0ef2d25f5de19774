"""One endpoint of a worker and the server behind it."""

from nodeproxy.upstream.endpoint import Endpoint


class Pool:
    """An endpoint with its server; `open` gives both ends of new connections."""

    def __init__(self, world):
        self.world = world
        self.server = world.endpoint()
        self.endpoint = Endpoint(world.reactor, ("127.0.0.1", self.server.port), world.all_idle)

    async def open(self, number=1):
        pairs = [(self.world.own(await self.endpoint.connect(5.0)), await self.server.accept()) for _ in range(number)]
        return pairs[0] if number == 1 else pairs
