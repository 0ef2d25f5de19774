"""gRPC by the library h2: the fields of calls, the frames of messages, and responses as a gRPC server sends them."""

import socket

from h2.events import RequestReceived

from tests.fakes.http2 import Http2Peer, http2_client, request

OK = [(b"grpc-status", b"0")]
CONTENT = (b"content-type", b"application/grpc")


def call(*fields, path=b"/shop.Web/Get", content=CONTENT):
    """The fields of a call to the service web in the namespace shop."""
    return request(b"POST", path, (b"te", b"trailers"), content, *fields)


def message(data=b"x"):
    """A message, not compressed, with its length."""
    return b"\0" + len(data).to_bytes(4, "big") + data


async def answer(server, stream, *messages, status=0):
    """Send a whole response: a head, messages, and trailers with this status."""
    body = b"".join(map(message, messages))
    await server.respond(stream, body, [CONTENT], trailers=[(b"grpc-status", b"%d" % status)])


async def refuse(server, stream, status, *fields):
    """Send a response that consists of a head alone ("Trailers-Only")."""
    await server.respond(stream, b"", [CONTENT, (b"grpc-status", b"%d" % status), *fields])


class GrpcMesh:
    """A gRPC service with some endpoints, in turn, and one client of it."""

    def __init__(self, world, policies=None, endpoints=2):
        self.world = world
        self.endpoints = [world.endpoint() for _ in range(endpoints)]
        self.servers = []
        """Of all connections so far, in order."""
        self.client = None
        in_turn = {"loadBalancer": {"simple": "ROUND_ROBIN"}}
        world.serve(*self.endpoints, protocol="http2", policies={**in_turn, **(policies or {})})

    async def ask(self, fields=None, body=None, ended=True):
        """Send a request, a call unless `fields` say otherwise; returns the number of the client's stream."""
        self.client = self.client or await http2_client(self.world)
        return await self.client.request(fields or call(), message() if body is None else body, ended)

    async def arrived(self):
        """The next request, wherever it arrives: its server and the number of its stream."""
        while True:
            for endpoint in self.endpoints:
                if (peer := endpoint.waiting()) is not None:
                    # without Nagle's algorithm: what it sends would wait up to 40 ms for an acknowledgement
                    peer.channel._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    server = Http2Peer(peer, client_side=False)
                    server.endpoint, server.requests = endpoint, {}
                    self.servers.append(server)
                    await server.flush()
            for server in self.servers:
                await server.look()
                for event in server.events:
                    if isinstance(event, RequestReceived):
                        server.events.remove(event)
                        server.requests[event.stream_id] = event.headers
                        return server, event.stream_id
            await self.world.reactor.rest()

    async def none_arrives(self):
        """Whether no request arrives."""
        await self.world.settle()
        for server in self.servers:
            await server.look()
        events = [event for server in self.servers for event in server.events]
        nobody_came = not [each for each in self.endpoints if not each.nobody_came()]
        return nobody_came and not any(isinstance(event, RequestReceived) for event in events)

    async def status_of(self, number):
        """The grpc-status of a response, from its trailers or else its head."""
        _, fields, _, trailers = await self.client.response(number)
        return int(dict(trailers or fields)[b"grpc-status"])

    async def calls(self, *statuses):
        """One call after the other, each refused with one of these statuses; a status below 0 comes in trailers."""
        for status in statuses:
            number = await self.ask()
            server, stream = await self.arrived()
            await (refuse(server, stream, status) if status >= 0 else answer(server, stream, b"x", status=-status))
            assert await self.status_of(number) == abs(status)
        await self.world.settle()

    def counted(self, policy):
        """The decisions of a policy so far, by outcome."""
        return {key[1]: number for key, number in self.world.route.stats.decisions.items() if key[0] == policy}
