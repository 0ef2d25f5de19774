"""WebSocket over HTTP/2 (RFC 8441) to endpoints, from clients that speak HTTP/1.1 or HTTP/2."""

import pytest
from h2.events import ResponseReceived, StreamEnded
from h2.settings import SettingCodes

from nodeproxy.upstream.http2 import LEFT_CALLS_S
from tests.fakes.http2 import http2_accept, http2_client, request

ANNOUNCED = {SettingCodes.ENABLE_CONNECT_PROTOCOL: 1}
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, 1.3, with its answer
ANSWER = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
ASK = (
    b"GET /chat HTTP/1.1\r\nHost: web.shop.mesh\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n" % KEY
)
CONNECT = [*request(b"CONNECT", b"/chat"), (b":protocol", b"websocket"), (b"sec-websocket-version", b"13")]
CANCEL = 8


async def asked(world, ask=ASK, settings=ANNOUNCED, policies=None):
    """An HTTP/1.1 client, the endpoint's end, its stream and the fields that came there."""
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies=policies)
    client = await world.client()
    await client.send(ask)
    server = await http2_accept(endpoint, settings)
    return client, server, *await server.received_request()


async def opened(world, policies=None):
    """Both ends of a tunnel."""
    client, server, number, _ = await asked(world, policies=policies)
    await say(server, number, b"", head=True)
    await client.head()
    return client, server, number


async def say(server, number, data, ended=False, head=False):
    if head:
        server.h2.send_headers(number, [(b":status", b"200")])
    if data or ended:
        server.h2.send_data(number, data, end_stream=ended)
    await server.flush()


async def heard(server, number, size):
    while server.data(number) < size:
        await server._more()
    return server.received(number)


def tunnels(world):
    return world.route.stats.tunnels


async def test_an_upgrade_becomes_an_extended_connect_and_its_200_a_101(world):
    client, server, number, fields = await asked(world)

    server.h2.send_headers(
        number, [(b":status", b"200"), (b"sec-websocket-protocol", b"chat"), (b"sec-websocket-accept", b"x")]
    )
    await say(server, number, b"first")
    head = await client.head()
    down = await client.exactly(5)
    await client.send(b"\0up")

    pseudo = dict(fields[:5])
    assert pseudo == {
        b":method": b"CONNECT", b":protocol": b"websocket", b":scheme": b"http", b":path": b"/chat",
        b":authority": b"web.shop.mesh",
    }  # fmt: skip
    assert (b"sec-websocket-version", b"13") in fields
    assert dict(fields).keys().isdisjoint((b"sec-websocket-key", b"upgrade", b"connection", b"host"))
    assert head == (
        b"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-protocol: chat\r\nsec-websocket-accept: %b\r\n"
        b"Via: 2 nodeproxy\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" % ANSWER
    )
    assert (down, await heard(server, number, 3)) == (b"first", b"\0up")


@pytest.mark.parametrize("ends_first", ["client", "endpoint"])
async def test_one_side_may_end_and_still_hear_the_other(world, ends_first):
    client, server, number = await opened(world)

    if ends_first == "client":
        await client.send(b"last words")
        client.channel.half_close()
        await server.event(StreamEnded, number)
        words = server.received(number)
        await say(server, number, b"an answer", ended=True)
        answer = await client.rest()
    else:
        await say(server, number, b"last words", ended=True)
        words = await client.rest()
        await client.send(b"an answer")
        client.channel.half_close()
        answer = (await server.body(number))[0]
    await world.settle()

    assert (words, answer, server.resets) == (b"last words", b"an answer", [])
    assert tunnels(world).reasons == {"": 1} and not world.connections.open


async def test_an_endpoint_without_it_gets_an_http1_upgrade_as_a_plain_get(world):
    client, server, number, fields = await asked(world, settings=None)
    await server.respond(number, b"upgrade, please", status=b"426")

    head = await client.until(b"upgrade, please")

    assert dict(fields)[b":method"] == b"GET" and b":protocol" not in dict(fields)
    assert head.startswith(b"HTTP/1.1 426 ")


@pytest.mark.parametrize(
    "ask", [ASK.replace(KEY, b"a"), ASK.replace(b"websocket\r\n", b"chat\r\n"), ASK.replace(b"GET", b"POST")]
)
async def test_what_does_not_ask_for_websocket_in_due_form_goes_without_upgrade(world, ask):
    client, server, number, fields = await asked(world, ask)
    await server.respond(number, b"ok")

    assert (await client.until(b"ok")).startswith(b"HTTP/1.1 200 ")
    assert b":protocol" not in dict(fields)


async def test_http2_to_an_endpoint_without_it_is_refused_and_the_connection_goes_on(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies={"connectionPool": {"maxRequests": 1}})
    client = await http2_client(world)
    number = await client.request(CONNECT, ended=False)
    server = await http2_accept(endpoint)

    status, fields, body, _ = await client.response(number, resets=[0])
    following = await client.request()
    stream, seen = await server.received_request()
    await server.respond(stream, b"ok")
    answer = await client.response(following)

    assert (status, dict(fields)[b"x-mesh-error"]) == (501, b"method-not-supported")
    assert b"SETTINGS_ENABLE_CONNECT_PROTOCOL" in body and b"kubernetes.io/ws" in body
    assert (dict(seen)[b":method"], answer[2], server.resets) == (b"GET", b"ok", [])


async def test_from_http2_to_http2_bytes_go_both_ways(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)
    number = await client.request(CONNECT, ended=False)
    server = await http2_accept(endpoint, ANNOUNCED)
    stream, fields = await server.received_request()
    data = bytes(range(256)) * 4000

    await say(server, stream, b"", head=True)
    answer = dict((await client.event(ResponseReceived, number)).headers)
    world.reactor.spawn(server.upload(stream, data))
    await client.event(StreamEnded, number)
    client.h2.send_data(number, b"thanks", end_stream=True)
    await client.flush()
    up = (await server.body(stream))[0]
    await world.settle()

    assert dict(fields)[b":protocol"] == b"websocket" and b"sec-websocket-key" not in dict(fields)
    assert answer[b":status"] == b"200" and b"sec-websocket-accept" not in answer
    assert (client.received(number) == data, up) == (True, b"thanks")
    assert tunnels(world).reasons == {"": 1} and (client.resets, server.resets) == ([], [])


async def test_an_endpoint_that_declines_is_heard(world):
    client, server, number, _ = await asked(world)
    await server.respond(number, b"not you", status=b"403")

    heard = await client.until(b"not you\r\n0\r\n\r\n")
    await client.send(ASK)
    again, _ = await server.received_request()
    await server.respond(again, status=b"204")

    assert heard.startswith(b"HTTP/1.1 403 ")
    assert (await client.head()).startswith(b"HTTP/1.1 204 ")
    assert number in server.ended_streams


async def test_an_endpoint_that_resets_ends_the_client(world):
    client, server, number = await opened(world)

    server.h2.reset_stream(number, CANCEL)
    await server.flush()
    ended = await client.rest()
    client.close()
    await world.settle()

    assert ended == b"" and not server.peer.channel.ending
    assert tunnels(world).reasons == {"stream-reset": 1}


async def test_an_endpoint_that_resets_after_its_end_stops_the_client(world):
    client, server, number = await opened(world)
    await say(server, number, b"bye", ended=True)
    server.h2.reset_stream(number, 0)
    await server.flush()
    words = await client.exactly(3)
    await world.settle()
    await client.send(b"what?")
    await world.settle()

    assert words == b"bye"
    assert tunnels(world).reasons == {"connection-lost": 1}


async def test_an_endpoint_that_is_gone_ends_the_client(world):
    client, server, _ = await opened(world)

    server.peer.reset()
    ended = await client.rest()
    client.close()
    await world.settle()

    assert ended == b""
    assert tunnels(world).reasons == {"connection-lost": 1}


async def test_a_client_that_resets_resets_the_stream_alone(world):
    client, server, number = await opened(world)

    client.reset()
    code = await server.was_reset(number)
    await world.settle()

    assert code == CANCEL and not server.peer.channel.ending
    assert tunnels(world).reasons == {"client-gone": 1}
    (kept,) = world.clusters.get("shop/web:80").endpoints
    assert (kept.active, kept.pool.active, kept.pool.idle_count) == (0, 0, 1)


async def test_a_reset_before_the_answer_is_a_bad_gateway(world):
    client, server, number, _ = await asked(world, policies={"retries": {"attempts": 0}})

    server.h2.reset_stream(number, 2)
    await server.flush()

    head = await client.head()
    assert head.startswith(b"HTTP/1.1 502 ") and b"x-mesh-error: stream-reset\r\n" in head


async def test_data_before_the_answer_is_a_bad_response(world):
    client, server, number, _ = await asked(world)
    await server.peer.channel.send(b"\0\0\1\0\0" + number.to_bytes(4, "big") + b"x")

    assert (await client.head()).startswith(b"HTTP/1.1 502 ")


async def test_an_endpoint_that_does_not_read_stops_the_client(world):
    client, server, number = await opened(world)
    server.credits = False
    sent = []

    async def flood():
        while True:
            await client.send(bytes(65536))
            sent.append(1)

    sender = world.reactor.spawn(flood())
    await world.settle(500)
    await server.look()
    await world.settle(500)
    await server.look()
    stopped_at = len(sent)
    await world.settle(500)

    assert 0 < stopped_at == len(sent) < 1000
    assert server.data(number) == 65535
    sender.cancel()
    await sender.join()


async def test_one_in_which_nothing_moves_for_timeouts_idle_is_closed(world):
    limits = {"timeouts": {"idle": "10s", "responseHead": "2s", "request": "3s"}}
    client, server, number = await opened(world, limits)

    world.advance(9.9)
    await client.send(b"ping")
    await heard(server, number, 4)
    world.advance(9.9)
    await say(server, number, b"pong")
    await client.exactly(4)
    world.advance(10.1)

    assert await client.rest() == b"" and await server.was_reset(number) == CANCEL
    await world.settle()
    assert tunnels(world).reasons == {"timeout": 1}


async def test_one_whose_endpoint_does_not_read_is_closed_after_timeouts_idle(world):
    client, server, number = await opened(world, {"timeouts": {"idle": "10s"}})
    server.credits = False
    await client.send(bytes(100_000))
    await world.settle(100)

    world.advance(10.1)
    ended = await client.rest()

    assert ended == b"" and await server.was_reset(number) == CANCEL
    await world.settle()
    assert tunnels(world).reasons == {"timeout": 1}


async def test_one_at_an_endpoint_that_has_left_goes_on(world):
    client, server, number = await opened(world)
    world.serve(protocol="http2")
    await world.settle()
    world.advance(LEFT_CALLS_S + 1)
    await world.settle()

    await client.send(b"still here")

    assert await heard(server, number, 10) == b"still here"


async def test_one_at_an_endpoint_that_says_goaway_goes_on(world):
    client, server, number = await opened(world)
    last = number.to_bytes(4, "big")
    await server.peer.channel.send(b"\0\0\10\7\0\0\0\0\0" + last + bytes(4))
    await world.settle()

    await client.send(b"still here")

    assert await heard(server, number, 10) == b"still here"


async def test_it_is_counted_when_it_begins_and_logged_when_it_has_ended(world):
    client, server, number = await opened(world)
    begun = dict(world.route.stats.requests), tunnels(world).active, list(world.log)
    await client.send(b"abc")
    client.channel.half_close()
    await server.event(StreamEnded, number)
    await say(server, number, b"", ended=True)
    await client.rest()
    await world.settle()

    assert begun == ({(101, "", ("", "node"), "http1"): 1}, 1, [])
    assert dict(world.route.stats.requests) == {(101, "", ("", "node"), "http1"): 1}
    assert [line[1:4] for line in world.log] == [("shop/web:80", 101, "")]
    assert [outcome for _, outcome in world.attempts] == [101]
    assert tunnels(world).bytes == {"to_endpoint": 3, "to_client": 0}


async def test_one_that_the_endpoint_refuses_to_look_at_is_asked_for_again(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await world.client()
    await client.send(ASK)
    server = await http2_accept(endpoint, ANNOUNCED)
    number, _ = await server.received_request()
    server.h2.reset_stream(number, 7)
    await server.flush()

    server = await http2_accept(endpoint, ANNOUNCED)
    again, fields = await server.received_request()
    await say(server, again, b"", head=True)

    assert dict(fields)[b":protocol"] == b"websocket"
    assert (await client.head()).startswith(b"HTTP/1.1 101 ")
