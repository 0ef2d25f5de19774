"""What an context may be told: whom to believe, and when a client counts as gone."""

import socket
from ipaddress import ip_network

import pytest

from nodeproxy.downstream.connections import ACCEPTS_PER_TURN
from nodeproxy.downstream.listener import Listener, bound
from nodeproxy.errors import ConnectionLost
from nodeproxy.io.channel import SocketChannel
from nodeproxy.mesh.callers import Callers
from nodeproxy.mesh.model import Caller
from nodeproxy.mesh.trust import Trust
from tests.fakes.world import Peer

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n"
CLAIMS = b"X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n\r\n"


async def seen_by_endpoint(world, request):
    """The head that the endpoint receives, and both ends."""
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(request)
    server = await endpoint.accept()
    return await server.head(), client, server


async def test_what_a_client_says_of_others_is_replaced(world):
    seen, _client, _server = await seen_by_endpoint(world, GET + CLAIMS)

    assert seen.count(b"X-Forwarded-") == 3
    assert b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: web.shop.mesh\r\n" in seen


def trusting(*ranges, namespaces=()):
    """What changes in an context that trusts these sources."""
    trust = Trust(tuple(map(ip_network, ranges)), frozenset(namespaces))
    return {"trusts_forwarded": True, "callers": Callers((), trust)}


async def test_a_trusted_client_is_believed_and_appended_to(world):
    world.reopen(**trusting("127.0.0.0/8"))

    seen, _client, _server = await seen_by_endpoint(world, GET + CLAIMS)

    assert seen.count(b"X-Forwarded-") == 3
    assert b"X-Forwarded-For: 10.0.0.9, 127.0.0.1\r\n" in seen
    assert b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n" in seen


async def test_all_lines_of_a_trusted_client_count_in_their_order(world):
    world.reopen(**trusting("127.0.0.1/32"))
    lines = (
        b"X-Forwarded-For: 10.0.0.9\r\nforwarded: for=10.0.0.9\r\nX-Real-IP: 10.0.0.9\r\n"
        b"x-forwarded-for: 10.0.0.8 \r\nX-Forwarded-For:\r\nForwarded: for=10.0.0.8;proto=https\r\n"
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n"
    )

    seen, _client, _server = await seen_by_endpoint(world, GET + lines + b"\r\n")

    assert seen.lower().count(b"forwarded") == 4
    assert b"X-Forwarded-For: 10.0.0.9, 10.0.0.8, 127.0.0.1\r\nX-Forwarded-Proto: https, http\r\n" in seen
    ours = b"for=127.0.0.1;host=web.shop.mesh;proto=http"
    assert b"Forwarded: for=10.0.0.9, for=10.0.0.8;proto=https, " + ours + b"\r\nX-Real-IP: 10.0.0.9\r\n" in seen


async def test_nothing_that_a_client_beside_the_trusted_ones_says_is_believed(world):
    world.reopen(**trusting("10.0.0.0/8", namespaces=("ingress",)))
    others = b"Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nx_forwarded_for: 6.6.6.6\r\nX-Real_IP: 6.6.6.6\r\n"

    seen, _client, _server = await seen_by_endpoint(world, GET + others + CLAIMS)

    assert b"6.6.6.6" not in seen and b"10.0.0.9" not in seen and b"shop.example" not in seen
    assert b"X-Forwarded-For: 127.0.0.1\r\n" in seen


async def test_a_trusted_clients_fields_count_in_one_spelling(world):
    world.reopen(**trusting("127.0.0.1/32"))
    twins = b"x_forwarded_for: 6.6.6.6\r\nX-Real_IP: 6.6.6.6\r\nX-Forwarded_Host: 6.6.6.6\r\n"

    seen, _client, _server = await seen_by_endpoint(world, GET + twins + CLAIMS)

    assert b"6.6.6.6" not in seen and b"X-Forwarded-For: 10.0.0.9, 127.0.0.1\r\n" in seen


async def test_trust_in_a_namespace_ends_with_the_pod_whose_address_it_was(world):
    changes = trusting(namespaces=("ingress",))
    callers = changes["callers"]
    callers.install([Caller("127.0.0.1", "ingress", "nginx")])
    world.reopen(**changes)
    seen, client, server = await seen_by_endpoint(world, GET + CLAIMS)
    await server.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    await client.head()

    callers.install([Caller("127.0.0.1", "shop", "cart")])
    await client.send(GET + CLAIMS)
    later = await server.head()

    assert b"X-Forwarded-For: 10.0.0.9, 127.0.0.1\r\n" in seen
    assert b"X-Forwarded-For: 127.0.0.1\r\n" in later and b"shop.example" not in later


async def test_what_one_request_of_a_trusted_client_says_is_not_said_by_its_next(world):
    world.reopen(**trusting("127.0.0.1/32"))
    _seen, client, server = await seen_by_endpoint(world, GET + CLAIMS)
    await server.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    await client.head()

    await client.send(GET + b"\r\n")
    later = await server.head()

    assert b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: web.shop.mesh\r\n" in later


async def test_a_trusted_client_that_says_nothing_is_the_first(world):
    world.reopen(**trusting("127.0.0.0/8"))

    seen, _client, _server = await seen_by_endpoint(world, GET + b"\r\n")

    assert b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: web.shop.mesh\r\n" in seen
    assert b"Forwarded: for" not in seen and b"X-Real-IP" not in seen


async def test_a_client_that_half_closes_still_gets_its_answer(world):
    _seen, client, server = await seen_by_endpoint(world, GET + b"\r\n")

    client.channel.half_close()
    await world.settle()
    await server.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    assert (await client.head()).startswith(b"HTTP/1.1 204 ")


async def test_half_closing_counts_as_gone_where_it_is_set_so(world):
    world.reopen(half_close_is_gone=True)
    _seen, client, server = await seen_by_endpoint(world, GET + b"\r\n")

    client.channel.half_close()

    assert await server.rest() == b""
    assert await client.rest() == b""
    assert world.route.stats.requests == {(499, "client-gone", ("", "node"), "http1"): 1}


async def test_everybody_who_waits_when_the_door_closes_is_let_in(world):
    waiting = ACCEPTS_PER_TURN + 1
    for _ in range(waiting):
        world.keep(socket.create_connection(world.listener.address))

    world.listener.close()

    assert len(world.connections.open) == waiting


async def test_a_closed_door_lets_nobody_wait_behind_it(world):
    address = world.listener.address

    world.listener.close()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


async def test_a_listener_that_closes_cuts_no_request_on_the_connection_that_gets_its_number(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    other, world.listener = (
        world.listener,
        Listener(world.connections, world.reactor, bound(("127.0.0.1", 0)), world.make_context()),
    )
    supervisors, number = world.keep(other._sock.dup()), other._sock.fileno()
    sock = world.keep(socket.socket())

    other.close()
    await world.settle(2)
    sock.connect(world.listener.address)
    sock.setblocking(False)
    client = Peer(world, SocketChannel(world.reactor, sock, ConnectionLost))
    await client.send(GET + b"\r\n")
    server = await endpoint.accept()
    await server.head()
    (connection,) = world.connections.open
    await world.settle()
    await server.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    assert connection._channel._sock.fileno() == number != supervisors.fileno()
    assert (await client.head()).startswith(b"HTTP/1.1 204 ")
