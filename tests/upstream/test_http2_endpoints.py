"""HTTP/2 connections to endpoints: what ends a stream, what ends a connection, and what neither may touch."""

import pytest
from h2.events import PingAckReceived
from h2.settings import SettingCodes

from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.upstream.http1 import IDLE_S
from tests.fakes.http2 import http2_accept, http2_client, http2_server, meanwhile, request

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
NO_RETRIES = {"retries": {"attempts": 0}}
CANCEL, REFUSED, NO_ERROR, INTERNAL = 8, 7, 0, 2


async def two_requests(world, endpoint):
    """Client and server of a connection with two requests under way: their streams on both sides."""
    client = await http2_client(world)
    asked = [await client.request(), await client.request()]
    server = await http2_accept(endpoint)
    came = [(await server.received_request())[0], (await server.received_request())[0]]
    return client, asked, server, came


async def test_requests_of_several_clients_share_a_connection(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    first, second = await http2_client(world), await world.client()
    number = await first.request()
    await second.send(GET)
    server = await http2_accept(endpoint)

    streams = [(await server.received_request())[0] for _ in range(2)]
    for stream in streams:
        await server.respond(stream, b"ok")

    assert streams == [1, 3]
    assert (await first.response(number))[2] == b"ok"
    assert (await second.head()).startswith(b"HTTP/1.1 200 ")
    assert endpoint.nobody_came()


async def test_an_endpoint_is_told_to_push_nothing_and_how_large_a_head_may_be(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")

    _, _, server, _ = await two_requests(world, endpoint)

    assert server.h2.remote_settings.enable_push == 0
    assert server.h2.remote_settings.max_header_list_size == HeadLimits().head_bytes


async def test_a_connection_whose_time_is_up_carries_no_request_of_the_same_turn(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies=NO_RETRIES)
    client = await world.client()
    await client.send(GET)
    server = await http2_accept(endpoint)
    await server.respond((await server.received_request())[0])
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")
    await world.settle()

    world.advance(IDLE_S)
    await client.send(GET)
    server = await http2_accept(endpoint)
    await server.respond((await server.received_request())[0])

    assert (await client.head()).startswith(b"HTTP/1.1 200 ")


async def test_requests_that_come_while_it_is_opened_wait_for_the_same_connection(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)
    numbers = [await client.request() for _ in range(20)]
    server = await http2_accept(endpoint)

    for _ in numbers:
        stream, _ = await server.received_request()
        await server.respond(stream, b"%d" % stream)

    assert sorted([int((await client.response(number))[2]) for number in numbers]) == list(range(1, 40, 2))
    assert endpoint.nobody_came()


async def test_nothing_is_sent_before_the_endpoint_has_said_how_many_streams_it_allows(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)
    numbers = [await client.request() for _ in range(3)]

    server = await http2_accept(endpoint, {SettingCodes.MAX_CONCURRENT_STREAMS: 1})
    await world.settle()
    first, second = server, await http2_accept(endpoint, {SettingCodes.MAX_CONCURRENT_STREAMS: 2})
    await world.settle()
    for server in (first, second, second):
        stream, _ = await server.received_request()
        await server.respond(stream)

    assert [(await client.response(number))[0] for number in numbers] == [200] * 3
    assert first.resets == second.resets == [] and endpoint.nobody_came()


async def test_a_body_that_is_there_and_larger_than_the_endpoints_window_arrives_whole(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await world.client()
    await client.send(b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 8\r\n\r\nabcdefgh")

    server = await http2_accept(endpoint, {SettingCodes.INITIAL_WINDOW_SIZE: 4})
    stream, _ = await server.received_request()

    assert (await server.body(stream))[0] == b"abcdefgh"
    await server.respond(stream)
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")


async def test_an_endpoint_that_allows_no_stream_is_none_that_can_be_connected_to(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies=NO_RETRIES)
    client = await http2_client(world)
    number = await client.request()

    await http2_accept(endpoint, {SettingCodes.MAX_CONCURRENT_STREAMS: 0})

    status, fields, _, _ = await client.response(number)
    assert (status, dict(fields)[b"x-mesh-error"]) == (503, b"connect-failed")


async def test_a_refused_stream_is_sent_to_another_endpoint_even_if_it_is_a_post(world):
    endpoints = [world.endpoint(), world.endpoint()]
    world.serve(*endpoints, protocol="http2", policies=NO_RETRIES)
    client = await http2_client(world)
    number = await client.request(request(b"POST"), body=b"once")

    for _ in range(2):  # on a new connection to the same endpoint first
        server = await arrived(world, endpoints)
        stream, _ = await server.received_request()
        server.h2.reset_stream(stream, REFUSED)
        await server.flush()
        refusing = server.peer.port
    server = await arrived(world, endpoints)
    stream, _ = await server.received_request()
    assert await server.body(stream) == (b"once", None)
    await server.respond(stream, b"done")

    assert server.peer.port != refusing
    assert (await client.response(number))[2] == b"done"


async def arrived(world, endpoints):
    """The server of the next connection that the mesh opens to any of the endpoints."""
    while True:
        for endpoint in endpoints:
            peer = endpoint.waiting()
            if peer is not None:
                peer.port = endpoint.port
                return await http2_server(peer)
        await world.reactor.rest()


@pytest.mark.parametrize("code", [NO_ERROR, 1, INTERNAL, 3, CANCEL, 11, 13, 0xFFFF])
async def test_a_reset_ends_one_request_and_not_its_neighbour(world, code):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies=NO_RETRIES)
    client, asked, server, came = await two_requests(world, endpoint)

    server.h2.reset_stream(came[0], code)
    await server.flush()
    await server.respond(came[1], b"ok")

    status, fields, _, _ = await client.response(asked[0])
    assert (status, dict(fields)[b"x-mesh-error"]) == (502, b"stream-reset")
    assert (await client.response(asked[1]))[2] == b"ok"
    await server.settled()
    assert server.resets == []


async def test_a_request_whose_stream_was_reset_is_sent_again_where_retries_say_so(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies={"retries": {"attempts": 1, "retryOn": ["reset"]}})
    client = await http2_client(world)
    number = await client.request()
    server = await http2_accept(endpoint)
    stream, _ = await server.received_request()

    server.h2.reset_stream(stream, INTERNAL)
    await server.flush()
    stream, _ = await server.received_request()
    await server.respond(stream, b"ok")

    assert (await client.response(number))[2] == b"ok"


async def test_a_reset_within_a_response_resets_the_clients_stream(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies=NO_RETRIES)
    client, asked, server, came = await two_requests(world, endpoint)

    server.h2.send_headers(came[0], [(b":status", b"200")])
    server.h2.send_data(came[0], b"half")
    server.h2.reset_stream(came[0], INTERNAL)
    await server.flush()
    await server.respond(came[1], b"ok")

    assert (await client.response(asked[0], resets=[INTERNAL]))[2] in (b"", b"half")
    assert (await client.response(asked[1]))[2] == b"ok"


async def test_a_reset_behind_a_complete_response_does_not_spoil_it(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies=NO_RETRIES)
    client = await http2_client(world)
    number = await client.request(request(b"POST"), body=b"some", ended=False)
    server = await http2_accept(endpoint)
    stream, _ = await server.received_request()

    server.h2.send_headers(stream, [(b":status", b"403")])
    server.h2.send_data(stream, b"no", end_stream=True)
    server.h2.reset_stream(stream, NO_ERROR)
    await server.flush()

    assert (await client.response(number, resets=[NO_ERROR]))[2] == b"no"


async def test_a_response_that_is_complete_before_its_request_arrives_whole(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)
    client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
    number = await client.request(request(b"PUT"), body=b"some", ended=False)
    server = await http2_accept(endpoint)
    stream, _ = await server.received_request()
    data = bytes(range(250)) * 200
    server.h2.send_headers(stream, [(b":status", b"200")])
    await server.flush()
    await world.settle()
    await server.upload(stream, data)  # the client does not read it yet
    await world.settle()

    client.h2.end_stream(number)
    await client.flush()
    await server.body(stream)
    client.h2.increment_flow_control_window(100_000, number)
    await client.flush()

    assert (await client.response(number))[2] == data


async def test_all_requests_of_a_connection_that_dies_fail_and_the_next_opens_another(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies=NO_RETRIES)
    client = await http2_client(world)
    numbers = [await client.request(request(b"POST")) for _ in range(3)]
    server = await http2_accept(endpoint)
    for _ in numbers:
        await server.received_request()

    server.peer.reset()

    for number in numbers:
        status, fields, _, _ = await client.response(number)
        assert (status, dict(fields)[b"x-mesh-error"]) == (502, b"connection-lost")
    number = await client.request()
    server = await http2_accept(endpoint)
    stream, _ = await server.received_request()
    await server.respond(stream)
    assert (await client.response(number))[0] == 200


async def test_goaway_sends_what_was_not_processed_elsewhere_and_the_rest_finishes(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies=NO_RETRIES)
    client = await http2_client(world)
    kept, moved = [await client.request(request(b"POST"), body=b"x") for _ in range(2)]
    server = await http2_accept(endpoint)
    first, _ = await server.received_request()
    await server.received_request()

    server.h2.close_connection(last_stream_id=first)
    await server.peer.channel.send(server.h2.data_to_send())

    other = await http2_accept(endpoint)
    stream, _ = await other.received_request()
    await other.respond(stream, b"moved")
    assert (await client.response(moved))[2] == b"moved"
    await server.peer.channel.send(frames(first, b"kept"))
    assert (await client.response(kept))[2] == b"kept"
    await server.peer.rest()  # and then it is closed


def frames(stream, body):
    """A whole response, made by hand: the library sends nothing behind its GOAWAY."""
    number = stream.to_bytes(4, "big")
    return b"\0\0\1\1\4" + number + b"\x88" + len(body).to_bytes(3, "big") + b"\0\1" + number + body


async def test_a_goaway_in_advance_stops_new_requests_only(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies=NO_RETRIES)
    client, asked, server, came = await two_requests(world, endpoint)

    await server.peer.channel.send(b"\0\0\x08\7\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\0")
    await world.settle()
    number = await client.request()
    other = await http2_accept(endpoint)
    stream, _ = await other.received_request()
    await other.respond(stream, b"new")

    assert (await client.response(number))[2] == b"new"
    for stream, number in zip(came, asked, strict=True):
        await server.respond(stream, b"old")
        assert (await client.response(number))[2] == b"old"


@pytest.mark.parametrize("downstream", ["http", "http2"])
async def test_a_client_that_gives_up_cancels_at_the_endpoint(world, downstream):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    if downstream == "http":
        client = await world.client()
        await client.send(GET)
    else:
        client = await http2_client(world)
        number = await client.request()
    server = await http2_accept(endpoint)
    stream, _ = await server.received_request()

    if downstream == "http":
        client.reset()
    else:
        client.h2.reset_stream(number, CANCEL)
        await client.flush()

    assert await server.was_reset(stream) == CANCEL
    assert world.log[-1][2:4] == (499, "client-gone")
    assert not server.peer.channel.closed and endpoint.nobody_came()


@pytest.mark.parametrize("downstream", ["http", "http2"])
async def test_a_client_that_gives_up_within_its_body_cancels_at_the_endpoint(world, downstream):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    if downstream == "http":
        client = await world.client()
        await client.send(GET.replace(b"GET", b"PUT").replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\nhalf"))
    else:
        client = await http2_client(world)
        number = await client.request(request(b"PUT"), body=b"half", ended=False)
    server = await http2_accept(endpoint)
    stream, _ = await server.received_request()
    await world.settle()

    if downstream == "http":
        client.close()
    else:
        client.h2.reset_stream(number, CANCEL)
        await client.flush()

    assert await server.was_reset(stream) == CANCEL


async def test_a_client_that_disconnects_cancels_all_its_requests(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client, _, server, came = await two_requests(world, endpoint)

    client.peer.close()

    for stream in came:
        assert await server.was_reset(stream) == CANCEL
    await world.settle()
    assert [line[2:4] for line in world.log] == [(499, "client-gone")] * 2
    assert not world.connections.open


async def test_an_attempt_that_takes_too_long_is_cancelled_and_its_connection_lives(world):
    endpoint = world.endpoint()
    policies = {"timeouts": {"backendRequest": "1s"}, "retries": {"attempts": 1, "retryOn": ["timeout"]}}
    world.serve(endpoint, protocol="http2", policies=policies)
    client = await http2_client(world)
    number = await client.request()
    server = await http2_accept(endpoint)
    first, _ = await server.received_request()

    world.advance(1.1)

    assert await server.was_reset(first) == CANCEL
    second, _ = await server.received_request()
    await server.respond(second, b"ok")
    assert (await client.response(number))[2] == b"ok"
    assert endpoint.nobody_came()


async def test_the_loser_of_a_hedge_is_cancelled_and_its_connection_lives(world):
    endpoints = [world.endpoint(), world.endpoint()]
    world.serve(*endpoints, protocol="http2", policies={**NO_RETRIES, "hedging": {"delay": "100ms"}})
    client = await http2_client(world)
    number = await client.request()
    slow = await arrived(world, endpoints)
    lost, _ = await slow.received_request()
    world.advance(0.2)
    quick = await arrived(world, endpoints)
    won, _ = await quick.received_request()

    await quick.respond(won, b"ok")

    assert (await client.response(number))[2] == b"ok"
    assert await slow.was_reset(lost) == CANCEL
    assert not slow.peer.channel.has_input()


async def test_an_endpoint_that_leaves_finishes_its_requests_and_gets_no_more(world):
    leaving, staying = world.endpoint(), world.endpoint()
    world.serve(leaving, protocol="http2", policies=NO_RETRIES)
    client, asked, server, came = await two_requests(world, leaving)

    world.serve(staying, protocol="http2", policies=NO_RETRIES)
    number = await client.request()
    other = await http2_accept(staying)
    stream, _ = await other.received_request()
    await other.respond(stream, b"new")

    assert (await client.response(number))[2] == b"new"
    for stream, number in zip(came, asked, strict=True):
        await server.respond(stream, b"old")
        assert (await client.response(number))[2] == b"old"
    assert await server.goaway() == (0, NO_ERROR)
    assert await server.peer.channel.recv() == b""


async def test_a_port_may_change_its_protocol(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies=NO_RETRIES)
    client = await http2_client(world)
    for protocol in ("http", "http2", "http"):
        world.serve(endpoint, protocol=protocol, policies=NO_RETRIES)
        number = await client.request()
        if protocol == "http":
            server = await endpoint.accept()
            await server.head()
            await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        else:
            server = await http2_accept(endpoint)
            stream, _ = await server.received_request()
            await server.respond(stream)
        assert (await client.response(number))[0] == 200


async def test_a_connection_in_use_does_not_become_too_old_for_a_second_request(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies={"timeouts": {"idle": "0s"}})
    client = await http2_client(world)
    number = await client.request()
    server = await http2_accept(endpoint)
    stream, _ = await server.received_request()
    await server.respond(stream)
    await client.response(number)
    await client.request()
    await server.received_request()

    world.advance(IDLE_S + 1)
    await world.settle()
    await client.request()

    assert (await server.received_request())[0] == 5
    assert endpoint.nobody_came()


async def test_an_idle_connection_is_closed_in_time_and_says_goodbye(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)
    number = await client.request()
    server = await http2_accept(endpoint)
    stream, _ = await server.received_request()
    await server.respond(stream)
    await client.response(number)

    world.advance(IDLE_S + 1)

    assert await server.goaway() == (0, NO_ERROR)
    assert await server.peer.channel.recv() == b""
    assert not world.all_idle.pools


@pytest.mark.parametrize("first_to_end", ["client", "endpoint"])
async def test_a_window_that_shrinks_below_nothing_is_waited_out(world, first_to_end):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)
    data = bytes(200_000)
    if first_to_end == "endpoint":  # the endpoint's window shrinks while it receives
        number = await client.request(request(b"PUT"), ended=False)
        meanwhile(world, client.upload(number, data))
        receiver = await http2_accept(endpoint)
        stream, _ = await receiver.received_request()
    else:
        stream = number = await client.request()
        server = await http2_accept(endpoint)
        answered, _ = await server.received_request()
        server.h2.send_headers(answered, [(b":status", b"200")])
        meanwhile(world, server.upload(answered, data))
        receiver = client
    receiver.credits = False
    await receiver.settled()  # the first 65,535 bytes

    receiver.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10})
    await receiver.flush()
    await receiver.settled()
    receiver.h2.increment_flow_control_window(500_000)
    receiver.h2.increment_flow_control_window(65_000, stream)  # still nothing: -65,525 + 65,000
    await receiver.flush()
    await receiver.settled()
    before = receiver.data(stream)
    receiver.h2.increment_flow_control_window(500_000, stream)
    await receiver.flush()

    await receiver.until_over(stream)
    assert before == 65_535
    assert receiver.data(stream) == len(data)


async def test_trailers_may_be_the_first_block_behind_a_smaller_header_table(world):
    """RFC 7541, 4.2: the block that follows begins with the change. The library refuses it otherwise."""
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)
    number = await client.request(request(b"PUT"), body=b"a", ended=False)
    server = await http2_accept(endpoint)
    stream, _ = await server.received_request()
    server.h2.update_settings({SettingCodes.HEADER_TABLE_SIZE: 0})
    await server.flush()
    await world.settle()

    await client.upload(number, b"b", [(b"x-sum", b"1")])

    assert await server.body(stream) == (b"ab", [(b"x-sum", b"1")])


async def test_pings_are_answered_and_unknown_frames_ignored(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client, asked, server, came = await two_requests(world, endpoint)

    for peer in (client, server):
        await peer.peer.channel.send(b"\0\0\3\xee\xff\0\0\0\1abc")
        peer.h2.ping(b"12345678")
        await peer.flush()
        await peer.event(PingAckReceived)

    await server.respond(came[0], b"ok")
    assert (await client.response(asked[0]))[2] == b"ok"
