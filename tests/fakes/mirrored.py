"""A service whose requests are copied, its own endpoint and that of the copies: both leave all bytes to the test."""

from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Replace
from nodeproxy.policies.mirrors import POLICY

GET = b"GET /a?b HTTP/1.1\r\nHost: web.shop.mesh\r\nX-Id: 7\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NEXT = {"mirrors": [{"service": "next"}]}


def service(name, *servers, policies=None, protocol="http", subsets=()):
    """A service of the namespace shop over these servers."""
    endpoints = tuple(Endpoint("127.0.0.1", server.port, subsets=subsets) for server in servers)
    return Service("shop", name, "", (Port(80, "http", protocol, endpoints),), policies or {})


class Mirrored:
    """web and next in the table, web with these policies."""

    def __init__(self, world, policies=NEXT):
        self.world = world
        self.web, self.next = world.endpoint(), world.endpoint()
        self.policies = policies
        self.install()

    def install(self, **changes):
        """Put both in force, web with some policies changed."""
        policies = {**self.policies, **changes}
        self.world.install(Replace((service("web", self.web, policies=policies), service("next", self.next))))

    @property
    def route(self):
        return self.world.live.table.at("shop/web", "80")

    def outcomes(self):
        """How often copies have had each outcome."""
        return {key[1]: count for key, count in self.route.stats.decisions.items() if key[0] == "mirrors"}

    def under_way(self):
        """As exported."""
        return POLICY.numbers(self.route.states["mirrors"])["in_flight"]

    async def answered(self, client, asked=GET):
        """Send a request, let the service's own endpoint answer it; returns the client's response."""
        await client.send(asked)
        peer = await self.web.accept()
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        return await client.until(b"\r\n\r\nok")
