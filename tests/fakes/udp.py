"""One UDP service at its own address, with real sockets on both sides of the mesh."""

import socket

from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Put, Replace
from tests.fakes.own_address import AtOwnAddress
from tests.fakes.ports import free_port

ADDRESS = "127.77.9.5"


class UdpEndpoint:
    """A server of datagrams that leaves everything to the test."""

    def __init__(self, world, host="127.0.0.1", port=0):
        self.world = world
        self.sock = world.keep(_datagrams(host))
        self.sock.bind((host, port))
        self.host, self.port = self.sock.getsockname()[:2]

    async def receive(self):
        """The next datagram, and where it is from."""
        return await received(self.world, self.sock)

    async def all(self):
        """All datagrams that come if nothing else happens, each with where it is from."""
        return await everything(self.world, self.sock)

    def reply(self, data, peer):
        self.sock.sendto(data, peer)

    def stop(self):
        """Let the kernel refuse datagrams from now on."""
        self.sock.close()


class UdpClient:
    """A client with a port of its own."""

    def __init__(self, service, host="127.0.0.1"):
        self.world = service.world
        self.sock = self.world.keep(_datagrams(host))
        self.sock.bind((host, 0))
        self.to = service.address

    def send(self, data):
        self.sock.sendto(data, self.to)

    async def receive(self):
        """The next reply; it must come from the address that was sent to."""
        data, peer = await received(self.world, self.sock)
        assert peer[:2] == self.to
        return data

    async def all(self):
        """All replies that come if nothing else happens."""
        return [data for data, _ in await everything(self.world, self.sock)]


class UdpService(AtOwnAddress):
    """A service `shop/dns`, of as many endpoints as asked for."""

    def __init__(self, world, endpoints=1, policies=None, host=ADDRESS, endpoint_host="127.0.0.1", most=8192):
        super().__init__(world)
        self.policies = policies or {}
        self.endpoints = [UdpEndpoint(world, endpoint_host) for _ in range(endpoints)]
        self.address = (host, free_port())
        world.plane.sessions.most = most
        self.put(Replace((self.service(*self.endpoints),)))

    def service(self, *endpoints, unsubscribed=False, **changes):
        """The service as discovery would send it with these endpoints."""
        addresses = tuple(Endpoint(each.host, each.port) for each in endpoints)
        port = Port(self.address[1], "dns", "udp", addresses, "udp")
        return Service("shop", "dns", self.address[0], (port,), self.policies, unsubscribed, **changes)

    def now_has(self, *endpoints, **changes):
        """The service has exactly these endpoints from now on."""
        service = self.service(*endpoints, **changes)
        self.put(Put(service), service.key)

    def client(self, host="127.0.0.1"):
        return UdpClient(self, host)

    @property
    def stats(self):
        return self.world.route.stats.of_udp()

    @property
    def sessions(self):
        return self.world.plane.sessions

    @property
    def active(self):
        """Sessions at each endpoint."""
        cluster = self.world.clusters.get(self.world.route.name)
        active = {each.address[1]: each.active for each in cluster.endpoints}
        return [active.get(each.port, 0) for each in self.endpoints]

    def ended(self):
        """Sessions that have ended, by why."""
        counts = {}
        for (reason, _caller), number in self.stats.sessions.items():
            counts[reason] = counts.get(reason, 0) + number
        return counts

    def close(self):
        self.virtual.close()
        self.sessions.cancel()
        self.kept.close()


async def received(world, sock):
    """The next datagram at `sock`, and its source."""
    for _ in range(500):
        try:
            return sock.recvfrom(65535)
        except BlockingIOError:
            await world.reactor.rest()
    raise AssertionError("nothing has come")


async def everything(world, sock):
    """All datagrams that come to `sock` when all that can happen has happened."""
    await world.settle()
    found = []
    while True:
        try:
            found.append(sock.recvfrom(65535))
        except BlockingIOError:
            return found
        await world.settle(2)


def _datagrams(host):
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    return sock
