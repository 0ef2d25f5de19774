"""Requests to a service with rules, over real sockets: which endpoint each came to, and what the client got."""

from nodeproxy.mesh.model import Endpoint, Port, Service

NO_CONTENT = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


def service(name, *servers, policies=None, **fields):
    """A service of the namespace shop over these servers; a pair of a server and a text is one of that subset."""
    pairs = [server if isinstance(server, tuple) else (server, "") for server in servers]
    endpoints = tuple(
        Endpoint("127.0.0.1", server.port, subsets=(subset,) if subset else ()) for server, subset in pairs
    )
    return Service("shop", name, "", (Port(80, "http", "http", endpoints),), policies or {}, **fields)


def get(path=b"/", lines=b"", host=b"web.shop.mesh", method=b"GET"):
    """A request without a body."""
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (method, path, host, lines)


async def came_to(world, servers, request, answer=NO_CONTENT):
    """The index of the server that `request` comes to, None if it comes to none; and both heads."""
    client = await world.client()
    await client.send(request)
    for _ in range(100):
        await world.reactor.rest()
        for index, server in enumerate(servers):
            peer = server.waiting()
            if peer is not None:
                seen = await peer.head()
                await peer.send(answer)
                return index, seen, await client.head()
    return None, b"", await client.head()


async def all_came_to(world, servers, requests):
    """The indexes of the servers that these requests come to, one after the other."""
    return [(await came_to(world, servers, request))[0] for request in requests]
