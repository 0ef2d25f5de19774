"""WebSocket over HTTP/2 (RFC 8441) from clients of the mesh, to endpoints that speak HTTP/1.1."""

import re
from contextlib import suppress

import pytest
from h2.events import RemoteSettingsChanged, ResponseReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes

from nodeproxy.errors import ConnectionLost
from nodeproxy.io.socket_calls import RECEIVE_BYTES
from nodeproxy.protocol.websocket import accept_of
from tests.downstream.test_tunnel import probed
from tests.fakes.http2 import http2_client, request

CALLER = ("", "node")
PROTOCOL_ERROR, CANCEL = 1, 8


def connect(*fields, protocol=b"websocket"):
    """The fields of an extended CONNECT to the service web."""
    pseudo = request(b"CONNECT", b"/chat")
    return [*pseudo, (b":protocol", protocol), (b"sec-websocket-version", b"13"), *fields]


def key_in(head):
    (key,) = re.findall(rb"\r\nsec-websocket-key: ([^\r]+)\r\n", head, re.IGNORECASE)
    return key


def switch(key, *lines):
    accept = b"Sec-WebSocket-Accept: %b" % accept_of(key)
    head = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade", accept, *lines]
    return b"\r\n".join([*head, b"", b""])


async def asked(world, *fields, policies=None):
    """The client, its stream, the endpoint's end and the head that came there."""
    endpoint = world.endpoint()
    world.serve(endpoint, policies=policies)
    client = await http2_client(world)
    number = await client.request(connect(*fields), ended=False)
    server = await endpoint.accept()
    return client, number, server, await server.head()


async def opened(world, policies=None):
    """Both ends of a tunnel."""
    client, number, server, head = await asked(world, policies=policies)
    await server.send(switch(key_in(head)))
    await client.event(ResponseReceived, number)
    return client, number, server


async def say(client, number, data, ended=False):
    client.h2.send_data(number, data, end_stream=ended)
    await client.flush()


async def heard(client, number, size):
    """So many bytes of the stream, from its beginning."""
    while client.data(number) < size:
        await client._more()
    return client.received(number)


async def fill(world, client, number):
    """Send until an endpoint that does not read lets nothing more through; returns how many bytes that were."""
    sent = 0
    for _ in range(4000):
        room = min(client.h2.local_flow_control_window(number), client.h2.max_outbound_frame_size)
        if room > 0:
            await say(client, number, bytes(room))
            sent += room
        else:
            await world.settle(3)
            await client.look()
    return sent


def tunnels(world):
    return world.route.stats.tunnels


async def test_clients_are_told_that_extended_connect_is_understood(world):
    world.serve()
    client = await http2_client(world)

    changed = (await client.event(RemoteSettingsChanged)).changed_settings

    assert changed[SettingCodes.ENABLE_CONNECT_PROTOCOL].new_value == 1


async def test_an_extended_connect_becomes_an_upgrade_and_its_101_a_200(world):
    client, number, server, head = await asked(
        world, (b"sec-websocket-protocol", b"chat"), (b"sec-websocket-key", b"AAAAAAAAAAAAAAAAAAAAAA==")
    )
    key = key_in(head)
    await server.send(switch(key, b"Sec-WebSocket-Protocol: chat") + b"first")
    answer = dict((await client.event(ResponseReceived, number)).headers)
    down = await heard(client, number, 5)
    await say(client, number, b"\0GET / HTTP/1.1\r\n\r\n")

    assert head.startswith(b"GET /chat HTTP/1.1\r\nhost: web.shop.mesh\r\nsec-websocket-version: 13\r\n")
    assert head.endswith(b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert len(key) == 24 and key != b"AAAAAAAAAAAAAAAAAAAAAA=="
    assert (answer[b":status"], answer[b"sec-websocket-protocol"]) == (b"200", b"chat")
    assert answer.keys().isdisjoint((b"sec-websocket-accept", b"upgrade", b"connection", b"content-length"))
    assert (down, await server.exactly(19)) == (b"first", b"\0GET / HTTP/1.1\r\n\r\n")


async def test_every_request_has_a_key_of_its_own(world):
    first, second = [key_in((await asked(world))[3]) for _ in range(2)]

    assert first != second


async def test_what_the_client_sends_before_the_200_is_for_the_tunnel(world):
    client, number, server, head = await asked(world)
    await say(client, number, b"early")
    await world.settle()
    too_early = server.channel.has_input()

    await server.send(switch(key_in(head)))

    assert not too_early and await server.exactly(5) == b"early"


async def test_what_the_client_sends_is_no_request_where_the_endpoint_declines(world):
    client, number, server, _ = await asked(world)
    await say(client, number, b"GET /evil HTTP/1.1\r\nHost: x\r\n\r\n")
    await world.settle()

    await server.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nnot you")
    declined = await client.response(number, resets=[0])
    following = await client.request()
    head = await server.head()
    await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    assert declined[0] == 403 and head.startswith(b"GET / HTTP/1.1\r\n")
    assert (await client.response(following))[2] == b"ok"


@pytest.mark.parametrize("ends_first", ["client", "endpoint"])
async def test_one_side_may_end_and_still_hear_the_other(world, ends_first):
    client, number, server = await opened(world)

    if ends_first == "client":
        await say(client, number, b"last words", ended=True)
        words = await server.rest()
        await server.send(b"an answer")
        server.channel.half_close()
        answer = (await client.body(number))[0]
    else:
        await server.send(b"last words")
        server.channel.half_close()
        await client.event(StreamEnded, number)
        words = client.received(number)
        await say(client, number, b"an answer", ended=True)
        answer = await server.rest()
    await world.settle()

    assert (words, answer, client.resets) == (b"last words", b"an answer", [])
    assert tunnels(world).reasons == {"": 1} and tunnels(world).active == 0


async def test_a_client_may_end_its_stream_and_its_connection_at_once(world):
    client, number, server = await opened(world)
    server.channel.half_close()
    await client.event(StreamEnded, number)

    await say(client, number, b"last words", ended=True)
    client.peer.close()

    assert await server.rest() == b"last words"
    await world.settle()
    assert tunnels(world).reasons == {"": 1} and not world.connections.open


async def test_what_a_client_said_last_arrives_at_a_slow_endpoint_after_the_client_is_gone(world):
    client, number, server = await opened(world)
    sent = await fill(world, client, number)
    await say(client, number, b"", ended=True)
    server.channel.half_close()
    await client.event(StreamEnded, number)
    client.peer.close()
    await world.settle()

    received = len(await server.rest())

    assert received == sent
    await world.settle()
    assert tunnels(world).reasons == {"": 1} and not world.connections.open


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: switch(b"another key"),
        lambda key: switch(key).replace(b"Sec-WebSocket-Accept", b"X"),
        lambda key: switch(key).replace(b"Upgrade: websocket", b"Upgrade: chat"),
        lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain",
        lambda _: b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
)
async def test_an_endpoint_that_does_not_speak_websocket_is_a_bad_response(world, answer):
    client, number, server, head = await asked(world)

    await server.send(answer(key_in(head)))
    status, fields, _, _ = await client.response(number, resets=[0])

    assert (status, dict(fields)[b"x-mesh-error"]) == (502, b"bad-response")
    assert world.log[-1][2:4] == (502, "bad-response") and tunnels(world) is None


async def test_an_endpoint_that_declines_is_heard(world):
    client, number, server, _ = await asked(world)

    await server.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nnot you")
    status, _, body, _ = await client.response(number, resets=[0])

    assert (status, body) == (403, b"not you")


async def test_other_protocols_are_refused(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await http2_client(world)

    number = await client.request(connect(protocol=b"connect-udp"), ended=False)
    status, fields, _, _ = await client.response(number, resets=[0])

    assert (status, dict(fields)[b"x-mesh-error"]) == (501, b"method-not-supported")
    assert endpoint.nobody_came()


async def test_an_error_of_the_mesh_is_a_response_as_over_http1(world):
    world.serve()
    client = await http2_client(world)

    number = await client.request(connect(), ended=False)

    assert (await client.response(number, resets=[0]))[0] == 503


async def test_a_client_that_resets_its_stream_ends_the_endpoints_connection(world):
    client, number, server = await opened(world)

    client.h2.reset_stream(number, CANCEL)
    await client.flush()
    ended = await server.rest()
    await world.settle()

    assert ended == b""
    assert tunnels(world).reasons == {"client-gone": 1} and tunnels(world).active == 0


async def test_a_client_that_is_gone_ends_the_endpoints_connection(world):
    client, _, server = await opened(world)

    client.peer.reset()
    ended = await server.rest()
    await world.settle()

    assert ended == b"" and not world.connections.open
    assert tunnels(world).reasons == {"client-gone": 1}


async def test_a_client_that_resets_before_the_answer_is_not_served(world):
    client, number, server, _ = await asked(world)

    client.h2.reset_stream(number, CANCEL)
    await client.flush()

    assert await server.rest() == b""
    await world.settle()
    assert world.log[-1][2:4] == (499, "client-gone")


async def test_an_endpoint_that_resets_resets_the_stream_alone(world):
    client, number, server = await opened(world)

    server.reset()
    code = await client.was_reset(number)
    await world.settle()

    assert code == CANCEL and not client.peer.channel.ending
    assert tunnels(world).reasons == {"connection-lost": 1}


async def test_an_endpoint_that_does_not_read_stops_its_sender_and_no_other_stream(world):
    client, number, server = await opened(world)
    stopped_at = await fill(world, client, number)
    await server.send(b"the other direction")
    down = await heard(client, number, 19)

    received = len(await server.exactly(stopped_at))

    assert client.h2.local_flow_control_window(number) < client.h2.max_outbound_frame_size
    assert (down, received) == (b"the other direction", stopped_at)


async def test_a_client_that_does_not_read_stops_the_endpoint(world):
    client, _number, server = await opened(world)
    client.credits = False
    sent = []

    async def flood():
        with suppress(ConnectionLost):
            while True:
                await server.send(bytes(RECEIVE_BYTES))
                sent.append(1)

    sender = world.reactor.spawn(flood())
    await world.settle(500)
    stopped_at = len(sent)
    await world.settle(500)

    assert 0 < stopped_at == len(sent) < 1000
    sender.cancel()
    await sender.join()


async def test_a_long_stream_arrives_whole(world):
    client, number, server = await opened(world)
    data = bytes(range(256)) * 8000

    async def send():
        await server.send(data)
        server.channel.half_close()

    world.reactor.spawn(send())
    await client.event(StreamEnded, number)

    assert client.received(number) == data
    assert tunnels(world).bytes["to_client"] == len(data)


async def test_one_in_which_nothing_moves_for_timeouts_idle_is_closed(world):
    limits = {"timeouts": {"idle": "10s", "responseHead": "2s", "request": "3s"}}
    client, number, server = await opened(world, limits)

    for turn in range(1, 4):
        world.advance(9.9)
        await say(client, number, b"ping")
        await server.exactly(4)
        world.advance(9.9)
        await server.send(b"pong")
        await heard(client, number, 4 * turn)
    world.advance(10.1)

    assert await client.was_reset(number) == CANCEL and await server.rest() == b""
    await world.settle()
    assert tunnels(world).reasons == {"timeout": 1}


async def test_a_client_that_sends_fields_in_place_of_data_is_reset(world):
    client, number, server = await opened(world)

    client.h2.send_headers(number, [(b"x-a", b"1")], end_stream=True)
    await client.flush()

    assert await client.was_reset(number) == PROTOCOL_ERROR and await server.rest() == b""
    await world.settle()
    assert tunnels(world).reasons == {"client-gone": 1}


async def test_silent_clients_of_a_tunnel_are_probed(world):
    client, _, _ = await opened(world)

    assert probed(world.listener.address[1], client.peer.channel._sock.getsockname()[1])


async def test_an_endpoint_that_ends_and_goes_away_cancels_the_client(world):
    client, number, server = await opened(world, {"timeouts": {"idle": "10s"}})
    server.channel.half_close()
    await client.event(StreamEnded, number)

    world.advance(10.1)

    assert await client.was_reset(number) == CANCEL


async def test_a_draining_worker_leaves_it_until_it_is_cancelled(world):
    client, number, server = await opened(world)
    world.connections.drain()
    for connection in list(world.connections.open):
        connection.hang_up()
    await client.goaway()
    await say(client, number, b"still here")
    words = await server.exactly(10)

    for task in list(world.connections.open.values()):
        task.cancel()

    assert words == b"still here" and await server.rest() == b""
    await world.settle()
    assert world.log[-1][2:4] == (101, "cancelled") and tunnels(world).active == 0


async def test_a_drained_connection_ends_with_its_last_tunnel(world):
    client, number, server = await opened(world)
    world.connections.drain()
    await client.settled()
    await say(client, number, b"bye", ended=True)
    await server.rest()
    server.close()
    await client.event(StreamEnded, number)
    await world.settle()
    await client.look()
    client.peer.close()
    await world.settle()

    assert client.over and not world.connections.open
    assert tunnels(world).reasons == {"": 1} and world.log[-1][2:4] == (101, "")


async def test_it_is_counted_as_over_http1_and_logged_when_it_has_ended(world):
    client, number, server = await opened(world)
    world.advance(100)
    await say(client, number, b"abc")
    await server.exactly(3)
    begun = dict(world.route.stats.requests), world.route.stats.seconds, tunnels(world).active, list(world.log)

    await say(client, number, b"", ended=True)
    await server.rest()
    server.close()
    await client.until_over(number)
    await world.settle()

    assert begun == ({(101, "", CALLER, "http2"): 1}, 0.0, 1, [])
    assert dict(world.route.stats.requests) == {(101, "", CALLER, "http2"): 1}
    (line,) = world.log
    assert (line[0].request.method, line[0].request.path) == (b"GET", b"/chat")
    assert line[1:] == ("shop/web:80", 101, "", 100.0)
    assert [outcome for _, outcome in world.attempts] == [101]
    assert tunnels(world).bytes == {"to_endpoint": 3, "to_client": 0}


async def test_several_share_one_connection_with_requests(world):
    client, first, server = await opened(world)
    endpoint = world.endpoint()
    world.serve(endpoint)

    second = await client.request()
    other = await endpoint.accept()
    await other.head()
    await other.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    answer = (await client.response(second))[2]
    await say(client, first, b"on")

    assert (answer, await server.exactly(2)) == (b"ok", b"on")
    assert not [each for each in client.events if isinstance(each, StreamReset)]
