"""How often one request may reach endpoints, whatever goes wrong: 1 + `attempts` times."""

import socket

import pytest

GET = b"GET /a HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def warmed(world, endpoint, clients):
    """Let the mesh have idle connections to `endpoint`: as many as there are clients at once."""
    peers = [await world.client() for _ in range(clients)]
    servers = []
    for peer in peers:
        await peer.send(GET)
        servers.append(await endpoint.accept())
        await servers[-1].head()
    for peer, server in zip(peers, servers, strict=True):
        await server.send(OK)
        await peer.until(b"ok")
    return peers[0], servers


async def deliveries(world, endpoint, servers):
    """How often a request arrives, at connections that are there and at new ones, when each is reset at once."""
    seen = 0
    for _ in range(40):
        await world.settle()
        while (peer := endpoint.waiting()) is not None:
            servers.append(peer)
        for server in list(servers):
            await world.settle()
            if server.channel.readable:
                await server.head()
                seen += 1
                server.reset()
                servers.remove(server)
    return seen


@pytest.mark.parametrize(("attempts", "most"), [(0, 2), (1, 2), (2, 3), (4, 5)])
async def test_a_request_is_delivered_once_and_once_more_per_attempt(world, attempts, most):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"retries": {"attempts": attempts, "retryOn": ["reset"]}})
    client, servers = await warmed(world, endpoint, clients=8)

    await client.send(GET)
    seen = await deliveries(world, endpoint, servers)

    assert seen == most
    assert b"x-mesh-error: connection-lost\r\n" in await client.head()


async def test_a_post_is_delivered_once(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"retries": {"attempts": 2, "retryOn": ["reset"]}})
    client, servers = await warmed(world, endpoint, clients=8)

    await client.send(GET.replace(b"GET", b"POST"))

    assert await deliveries(world, endpoint, servers) == 1


async def test_a_try_that_ends_within_an_interim_response_is_not_repeated(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"retries": {"retryOn": ["timeout"], "perTryTimeout": "2s"}})
    world.listener._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    for _ in range(16):  # more than the client takes, which reads nothing
        await server.send(b"HTTP/1.1 103 Early Hints\r\nLink: %b\r\n\r\n" % (b"a" * 60_000))
        await world.settle()
    world.advance(2.1)
    await world.settle()

    assert endpoint.nobody_came()


async def test_a_retry_goes_to_an_endpoint_that_has_not_failed_the_request_while_there_is_one(world):
    endpoints = [world.endpoint() for _ in range(3)]
    world.serve(*endpoints)

    for _ in range(8):
        client = await world.client()
        await client.send(GET)
        reached = []
        while len(reached) < 3:
            await world.settle()
            for endpoint in endpoints:
                if (server := endpoint.waiting()) is not None:
                    reached.append(endpoint)
                    await server.head()
                    server.reset()
        assert (await client.head()).startswith(b"HTTP/1.1 502 ")

        assert len(set(reached)) == 3
