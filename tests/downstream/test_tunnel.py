"""101: client and endpoint leave HTTP by an Upgrade that both have agreed on, and bytes go both ways from there."""

import os
import socket
from contextlib import suppress

import pytest

from nodeproxy.errors import ConnectionLost
from nodeproxy.io.socket_calls import RECEIVE_BYTES

GET = b"GET /chat HTTP/1.1\r\nHost: web.shop.mesh\r\n"
ASK = GET + b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
DECLINED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\ndenied"
CALLER = ("", "node")


async def asked(world, request=ASK, policies=None):
    """Both ends, and the head that the endpoint received; the world's `endpoint` accepts more."""
    endpoint = world.endpoint()
    world.serve(endpoint, policies=policies)
    client = await world.client()
    await client.send(request)
    server = await endpoint.accept()
    return client, server, await server.head()


async def switched(world, policies=None):
    """Both ends of a tunnel."""
    client, server, _ = await asked(world, policies=policies)
    await server.send(SWITCH)
    await client.head()
    return client, server


def tunnels(world):
    return world.route.stats.tunnels


async def test_what_both_sides_agree_on_is_switched_to(world):
    client, server, seen = await asked(world)

    await server.send(SWITCH.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Accept: b\r\n\r\n") + b"first")
    head = await client.head()
    behind = await client.exactly(5)
    await client.send(b"\x00GET / HTTP/1.1\r\n\r\n")
    upward = await server.exactly(19)
    await server.send(b"HTTP/1.1 500 no\r\n\r\n")
    downward = await client.exactly(19)

    assert seen.startswith(GET + b"Sec-WebSocket-Key: a\r\n")
    assert seen.endswith(b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n") and seen.count(b"onnection:") == 1
    assert head == (
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: b\r\nVia: 1.1 nodeproxy\r\n"
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    assert (behind, upward, downward) == (b"first", b"\x00GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 500 no\r\n\r\n")


def probed(local, remote):
    """Whether the kernel probes the silent peer of this process' connection between these ports."""
    for number in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError), socket.socket(fileno=os.dup(number)) as sock:
            if (sock.getsockname()[1], sock.getpeername()[1]) == (local, remote):
                return sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    raise AssertionError("no such connection")


async def test_silent_peers_of_a_tunnel_are_probed(world):
    client, server = await switched(world, policies={"timeouts": {"idle": 0}})

    await client.send(b"up")
    await server.exactly(2)

    client_port = client.channel._sock.getsockname()[1]
    server_port, upstream_port = server.channel._sock.getsockname()[1], server.channel._sock.getpeername()[1]
    assert probed(world.listener.address[1], client_port)
    assert probed(upstream_port, server_port)


@pytest.mark.parametrize("ends_first", ["client", "endpoint"])
async def test_one_side_may_end_and_still_hear_the_other(world, ends_first):
    client, server = await switched(world)
    first, second = (client, server) if ends_first == "client" else (server, client)

    await first.send(b"last words")
    first.channel.half_close()
    heard = await second.rest()
    await second.send(b"an answer")
    second.channel.half_close()
    answer = await first.rest()
    await world.settle()

    assert (heard, answer) == (b"last words", b"an answer")
    assert not world.connections.open
    assert tunnels(world).reasons == {"": 1} and tunnels(world).active == 0


async def test_what_the_client_sends_before_the_101_is_for_the_tunnel(world):
    client, server, _ = await asked(world, ASK + b"early")
    await client.send(b" bird")
    await world.settle()

    await server.send(SWITCH)
    await client.head()

    assert await server.exactly(10) == b"early bird"


async def test_what_the_client_sends_before_the_101_is_its_next_request_where_the_endpoint_declines(world):
    client, server, _ = await asked(world, ASK + GET + b"\r\n")

    await server.send(DECLINED)
    declined = await client.until(b"denied")
    seen = await server.head()
    await server.send(OK)

    assert declined.startswith(b"HTTP/1.1 403 ")
    assert seen.startswith(GET) and b"Upgrade" not in seen
    assert (await client.until(b"ok")).startswith(b"HTTP/1.1 200 ")
    assert tunnels(world) is None


@pytest.mark.parametrize(
    "answer",
    [
        SWITCH.replace(b"Upgrade: websocket", b"Upgrade: other"),
        SWITCH.replace(b"Upgrade: websocket", b"Upgrade: websocket/2"),
        SWITCH.replace(b"Upgrade: websocket", b"Upgrade: websocket, other"),
        SWITCH.replace(b"Upgrade: websocket", b"Upgrade: websocket other"),
        SWITCH.replace(b"Upgrade: websocket\r\n", b""),
        SWITCH.replace(b"Connection: Upgrade\r\n", b""),
        SWITCH.replace(b"HTTP/1.1", b"HTTP/1.0"),
        SWITCH.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n"),
        SWITCH.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ],
)
async def test_a_101_to_anything_but_what_was_offered_is_a_bad_response(world, answer):
    client, server, _ = await asked(world)

    await server.send(answer)
    head = await client.head()

    assert head.startswith(b"HTTP/1.1 502 ") and b"x-mesh-error: bad-response\r\n" in head
    assert b"pgrade" not in head
    assert await server.rest() == b""


@pytest.mark.parametrize(
    "request_head",
    [
        GET + b"\r\n",
        ASK.replace(b"keep-alive, Upgrade", b"keep-alive"),
        ASK.replace(b"HTTP/1.1", b"HTTP/1.0"),
        ASK.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n") + b"hello",
        ASK.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n") + b"0\r\n\r\n",
        ASK.replace(b"websocket\r\n", b"websocket, b a d\r\n"),
        ASK.replace(b"Upgrade: websocket", b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__"),
        ASK.replace(b"Upgrade: websocket", b"Upgrade: H2C, HTTP/2.0, h2, TLS/1.0"),
    ],
)
async def test_a_client_that_has_not_asked_in_due_form_is_not_switched(world, request_head):
    client, server, seen = await asked(world, request_head)

    await server.send(SWITCH)
    head = await client.head()

    assert b"pgrade" not in seen
    assert head.startswith(b"HTTP/1.1 502 ") and b"x-mesh-error: bad-response\r\n" in head


async def test_of_several_protocols_all_but_those_that_are_http_again_are_offered(world):
    client, server, seen = await asked(world, ASK.replace(b"websocket", b"h2c, ,Chat/2 ,\tWebSocket"))

    await server.send(SWITCH.replace(b"Upgrade: websocket", b"Upgrade: chat/2"))
    head = await client.head()

    assert seen.endswith(b"\r\nConnection: Upgrade\r\nUpgrade: Chat/2, WebSocket\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ") and b"\r\nUpgrade: chat/2\r\n" in head


async def test_an_upgrade_goes_on_beside_the_word_that_trailers_are_read(world):
    request = ASK.replace(b"keep-alive, Upgrade", b"te, upgrade").replace(b"\r\n\r\n", b"\r\nTE: trailers\r\n\r\n")

    client, server, seen = await asked(world, request)
    await server.send(SWITCH)

    assert seen.endswith(b"\r\nTE: trailers\r\nConnection: TE, Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert (await client.head()).startswith(b"HTTP/1.1 101 ")


async def test_a_100_may_come_before_the_101(world):
    client, server, _ = await asked(world)

    await server.send(b"HTTP/1.1 100 Continue\r\n\r\n" + SWITCH)

    assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await client.head()).startswith(b"HTTP/1.1 101 ")


async def test_an_upgrade_may_follow_a_connect(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(b"CONNECT web.shop.mesh:80 HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n")
    await client.head()

    await client.send(ASK)
    server = await endpoint.accept()
    await server.head()
    await server.send(SWITCH + b"hi")

    assert (await client.until(b"hi")).startswith(b"HTTP/1.1 101 ")


async def test_its_connection_is_used_for_nothing_else(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET + b"\r\n")
    server = await endpoint.accept()
    await server.head()
    await server.send(OK)
    await client.until(b"ok")

    await client.send(ASK)
    await server.head()
    await server.send(SWITCH)
    await client.head()
    active = world.clusters.get("shop/web:80").endpoints[0].active
    client.channel.half_close()
    await server.rest()
    server.channel.half_close()
    await client.rest()
    await world.settle()

    (kept,) = world.clusters.get("shop/web:80").endpoints
    assert (active, kept.active, kept.pool.idle_count) == (1, 0, 0)


async def test_a_reader_that_does_not_read_stops_its_sender(world):
    client, server = await switched(world)
    piece, sent = bytes(RECEIVE_BYTES), []

    async def flood():
        while True:
            await server.send(piece)
            sent.append(piece)

    sender = world.reactor.spawn(flood())
    stopped_at = -1
    while stopped_at < len(sent) < 1000:  # the kernel's buffers grow, on a busy machine late
        stopped_at = len(sent)
        await world.settle(500)
    await client.send(b"the other direction goes on")
    heard = await server.exactly(27)
    sender.cancel()
    await sender.join()

    assert 0 < stopped_at == len(sent) < 1000
    assert heard == b"the other direction goes on"


async def test_a_long_stream_arrives_whole(world):
    client, server = await switched(world)
    data = bytes(range(256)) * 40_000

    async def send():
        await server.send(data)
        server.channel.half_close()

    world.reactor.spawn(send())
    received = await client.rest()

    assert received == data
    assert tunnels(world).bytes == {"to_endpoint": 0, "to_client": len(data)}


async def test_one_in_which_nothing_moves_for_timeouts_idle_is_closed(world):
    client, server = await switched(world, {"timeouts": {"idle": "10s", "responseHead": "2s", "request": "3s"}})

    for _ in range(3):
        world.advance(9.9)
        await client.send(b"ping")
        await server.exactly(4)
        world.advance(9.9)
        await server.send(b"pong")
        await client.exactly(4)
    world.advance(10.1)

    assert await client.rest() == b"" and await server.rest() == b""
    await world.settle()
    assert tunnels(world).reasons == {"timeout": 1}


async def test_a_client_that_resets_ends_the_endpoints_side(world):
    client, server = await switched(world)

    client.reset()
    ended = await server.rest()
    await world.settle()

    assert ended == b"" and not world.connections.open
    assert tunnels(world).reasons == {"client-gone": 1}


async def test_a_client_that_resets_ends_it_though_the_endpoint_does_not_read(world):
    client, _server = await switched(world)

    async def flood():
        with suppress(ConnectionLost):
            while True:
                await client.send(bytes(RECEIVE_BYTES))

    sender = world.reactor.spawn(flood())
    await world.settle(500)
    client.reset()
    await sender.join()
    await world.settle()

    assert not world.connections.open
    assert tunnels(world).reasons == {"client-gone": 1}


async def test_an_endpoint_that_resets_ends_the_clients_side(world):
    client, server = await switched(world)

    server.reset()
    ended = await client.rest()
    client.close()
    await world.settle()

    assert ended == b"" and not world.connections.open
    assert tunnels(world).reasons == {"connection-lost": 1}


async def test_what_an_endpoint_said_before_it_closed_arrives_though_the_client_still_talks(world):
    client, server = await switched(world)
    goodbye = bytes(RECEIVE_BYTES) * 2

    async def say_goodbye():
        await server.send(goodbye)
        server.close()

    world.reactor.spawn(say_goodbye())
    await world.settle(50)
    for _ in range(5):
        await client.send(b"what?")
        await world.settle()

    assert await client.rest() == goodbye
    assert tunnels(world).reasons == {"connection-lost": 1}


async def test_a_half_closed_client_is_not_gone_even_where_that_aborts_requests(world):
    world.reopen(half_close_is_gone=True)
    client, server = await switched(world)

    await client.send(b"last words")
    client.channel.half_close()
    heard = await server.rest()
    await server.send(b"an answer")
    server.channel.half_close()

    assert (heard, await client.rest()) == (b"last words", b"an answer")


async def test_a_draining_worker_leaves_it_until_it_is_cancelled(world):
    client, server = await switched(world)
    world.connections.drain()
    for connection in list(world.connections.open):
        connection.hang_up()
    await client.send(b"still here")
    heard = await server.exactly(10)

    for task in list(world.connections.open.values()):
        task.cancel()

    assert heard == b"still here"
    assert await client.rest() == b"" and await server.rest() == b""
    await world.settle()
    assert world.log[-1][2:4] == (101, "cancelled")
    assert tunnels(world).active == 0


async def test_it_is_counted_when_it_begins_and_logged_when_it_has_ended(world):
    client, server = await switched(world)
    world.advance(100)
    await client.send(b"abc")
    await server.exactly(3)
    begun = dict(world.route.stats.requests), world.route.stats.seconds, tunnels(world).active, list(world.log)

    client.channel.half_close()
    await server.rest()
    server.close()
    await client.rest()
    await world.settle()

    assert begun == ({(101, "", CALLER, "http1"): 1}, 0.0, 1, [])
    assert dict(world.route.stats.requests) == {(101, "", CALLER, "http1"): 1}
    assert [(line[0].request.path, *line[1:]) for line in world.log] == [(b"/chat", "shop/web:80", 101, "", 100.0)]
    assert [outcome for _, outcome in world.attempts] == [101]
    assert tunnels(world).bytes == {"to_endpoint": 3, "to_client": 0}


async def test_an_upgrade_whose_endpoint_dies_is_sent_again_as_its_method_allows(world):
    for method, delivered in ((b"GET", 2), (b"POST", 1)):
        endpoint = world.endpoint()
        world.serve(endpoint, policies={"retries": {"attempts": 1}})
        client = await world.client()
        await client.send(ASK.replace(b"GET", method))

        for _ in range(delivered):
            server = await endpoint.accept()
            await server.head()
            server.reset()

        assert (await client.head()).startswith(b"HTTP/1.1 502 ")
        assert endpoint.nobody_came()
