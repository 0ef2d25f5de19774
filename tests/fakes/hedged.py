"""A service with hedging, and the connections at which its requests arrive."""

from nodeproxy.errors import ProxyError

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
POST = GET.replace(b"GET", b"POST")
PUT = b"PUT / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 3\r\n\r\nabc"
HEDGED = {"hedging": {"delay": "100ms"}}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


def answer(text, status=b"200 OK"):
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(text), text)


class Mesh:
    """A service with hedging; collects the connections at which a request has arrived, in order."""

    def __init__(self, world, policies=None, endpoints=2):
        self.world = world
        self.endpoints = [world.endpoint() for _ in range(endpoints)]
        self.arrived = []
        world.serve(*self.endpoints, policies={"retries": {"attempts": 0}, **(policies or HEDGED)})

    async def ask(self, request=GET):
        self.client = await self.world.client()
        await self.client.send(request)
        await self.look()
        return self.client

    async def look(self):
        """Let what can happen happen; returns how many requests have arrived in all."""
        await self.world.settle()
        for endpoint in self.endpoints:
            while (server := endpoint.waiting()) is not None:
                server.endpoint = endpoint
                if await self.read(server):
                    self.arrived.append(server)
        await self.world.settle()
        return len(self.arrived)

    async def read(self, server):
        return await server.head()

    async def late(self, seconds=0.11):
        self.world.advance(seconds)
        return await self.look()

    @property
    def counted(self):
        return {key[1]: number for key, number in self.world.route.stats.decisions.items() if key[0] == "hedging"}

    async def over(self):
        """Check that nothing is under way: no attempt, no child task, no claim on the budget, no open connection."""
        await self.look()
        route = self.world.route
        cluster = self.world.clusters.get(route.name)
        assert [endpoint.active for endpoint in cluster.endpoints] == [0] * len(self.endpoints)
        assert not any(task.has_children for task in self.world.connections.open.values())
        load = route.states["retryBudget"].load
        assert (load.active, load.extra, load.retrying) == (0, 0, 0)
        return sum(endpoint.pool.idle_count for endpoint in cluster.endpoints)


async def gone(server):
    """Whether its peer has closed the connection."""
    try:
        return await server.channel.recv() == b""
    except ProxyError:
        return True
