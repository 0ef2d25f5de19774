"""HTTP/2 connections of clients: how they begin, drain, idle and make way, and what streams do to each other."""

import pytest
from h2.events import PingAckReceived
from h2.settings import SettingCodes

from nodeproxy.downstream.http2_drain import DRAIN_S
from nodeproxy.protocol.http2.limits import HTTP2_LIMITS, Http2Limits
from tests.fakes.http2 import http2_accept, http2_client, meanwhile, request

MOST = 2**31 - 1
NO_ERROR, REFUSED, CANCEL = 0, 7, 8
UNKNOWN = request(b"GET", b"/")
UNKNOWN[3] = (b":authority", b"nobody.shop.mesh")


@pytest.fixture
def world(world):
    world.serve()
    return world


async def ask(client):
    """A request that the mesh answers itself."""
    number = await client.request(UNKNOWN)
    assert (await client.response(number))[0] == 404


def is_open(client):
    return not client.peer.channel.ending


async def test_a_preface_may_come_in_pieces(world):
    client = await world.client()
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
    for at in range(len(preface)):
        await client.send(preface[at : at + 1])
        await world.settle(3)

    assert (await client.exactly(9))[3] == 4  # SETTINGS
    assert not client.channel.ending


async def test_a_preface_that_goes_wrong_ends_with_goaway(world):
    client = await world.client()
    await client.send(b"PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n")

    received = await client.rest()

    assert received[-len(b"the preface of the connection is malformed") :].startswith(b"the preface")


async def test_a_client_that_begins_without_settings_is_ended(world):
    client = await world.client()
    await client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\x08\6\0\0\0\0\0" + b"12345678")

    assert (await client.rest()).endswith(b"the first frame is not SETTINGS")


async def test_a_preface_that_does_not_end_is_given_up(world):
    client = await world.client()
    await client.send(b"PRI * HTTP/2.0\r\n\r\n")
    await world.settle()

    world.advance(world.context.head_timeout_s + 1)

    assert b"\7" in await client.rest()


async def test_a_drain_lets_the_client_finish_what_it_had_begun(world):
    """RFC 9113, 6.8: a first GOAWAY for all streams, then, after a round trip, the last one."""
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await http2_client(world)
    early = await client.request()
    served = await endpoint.accept()
    await served.head()

    world.connections.drain()
    late = await client.request()  # it has not heard of the drain
    assert await client.goaway() == (MOST, NO_ERROR)
    other = await endpoint.accept()
    await other.head()
    for each in (served, other):
        await each.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert [(await client.response(number))[2] for number in (early, late)] == [b"ok", b"ok"]

    assert await client.goaway() == (late, NO_ERROR)
    assert await client.peer.channel.recv() == b""
    await ask(await http2_client_of(world))


async def http2_client_of(world):
    world.connections._draining = False  # as those of the process that follows
    return await http2_client(world)


async def test_a_drain_does_not_wait_for_a_client_that_answers_no_ping(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
    await world.settle()

    world.connections.drain()
    world.advance(DRAIN_S + 0.1)

    assert (await client.rest()).count(b"\7\0\0\0\0\0") == 2  # GOAWAY


async def test_what_comes_behind_the_last_goaway_is_ignored_and_the_rest_goes_on(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await http2_client(world)
    number = await client.request()
    served = await endpoint.accept()
    await served.head()
    world.connections.drain()
    await world.settle()
    world.advance(DRAIN_S + 0.1)
    await world.settle()

    client.h2.send_headers(3, request(b"PUT"))  # all of it was on its way before the GOAWAY had arrived
    client.h2.send_data(3, b"body")
    client.h2.send_headers(3, [(b"x-sum", b"1")], end_stream=True)
    client.h2.send_headers(5, request(b"PUT"))
    client.h2.reset_stream(5)
    await client.flush()
    await served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    assert (await client.response(number))[2] == b"ok"
    assert endpoint.nobody_came()
    assert client.resets == []


async def test_a_client_of_a_draining_worker_gets_settings_before_goaway(world):
    client = await world.client()  # admitted before, not recognised yet
    await world.settle()
    world.connections.drain()
    await client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")

    assert (await client.exactly(9))[3] == 4


async def test_a_client_that_says_goodbye_gets_its_responses(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await http2_client(world)
    number = await client.request()
    await client.peer.channel.send(b"\0\0\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\0")
    served = await endpoint.accept()
    await served.head()
    await served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    assert (await client.response(number))[2] == b"ok"


async def test_an_idle_connection_ends_in_time_with_goaway(world):
    client = await http2_client(world)
    await ask(client)

    world.advance(world.context.idle_timeout_s + 1)

    assert await client.goaway() == (1, NO_ERROR)
    assert await client.peer.channel.recv() == b""


@pytest.mark.parametrize("before", [0, 1, 2])
async def test_a_connection_is_not_idle_while_a_request_lasts(world, before):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"timeouts": {"idle": "0s", "responseHead": "0s"}})
    client = await http2_client(world)
    for _ in range(before):
        await ask(client)
    number = await client.request()
    served = await endpoint.accept()
    await served.head()

    for _ in range(3):
        world.advance(world.context.idle_timeout_s + 1)
        await world.settle()
    await served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    assert (await client.response(number))[2] == b"ok"


async def test_an_idle_connection_makes_way_and_one_in_use_does_not(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    world.connections.most = 2
    busy, idle = await http2_client(world), await http2_client(world)
    await busy.request()
    await endpoint.accept()
    await ask(idle)
    world.advance(1)

    newcomer = await http2_client(world)
    await ask(newcomer)

    assert await idle.goaway() == (1, NO_ERROR)
    assert is_open(busy)
    assert world.stats.closed_for_room == 1


async def test_streams_beyond_the_limit_are_refused_and_may_be_sent_again(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await http2_client(world)
    client.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 1000  # it has not heard of the limit
    client.h2.remote_settings.acknowledge()
    for _ in range(HTTP2_LIMITS.streams):
        number = client.h2.get_next_available_stream_id()
        client.h2.send_headers(number, request(), end_stream=True)
    await client.flush()
    await world.settle()
    await client.settled()
    client.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 1000
    client.h2.remote_settings.acknowledge()

    one_more = await client.request()

    assert await client.was_reset(one_more) == REFUSED
    client.h2.reset_stream(1)
    await client.flush()
    await world.settle()
    number = await client.request(UNKNOWN)
    assert (await client.response(number))[0] == 404


async def test_how_many_streams_there_may_be_is_a_setting(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    world.reopen(http2=Http2Limits(streams=2))
    client = await http2_client(world)
    first, second = await client.request(), await client.request()
    assert client.h2.remote_settings.max_concurrent_streams == 2**32 + 1  # it has not come yet

    third = await client.request()

    assert await client.was_reset(third) == REFUSED
    assert (world.stats.http2_accepted, world.stats.http2_refused) == (1, 1)
    assert client.h2.remote_settings.max_concurrent_streams == 2
    assert {first, second}.isdisjoint(client.resets)


async def test_a_request_that_was_reset_at_once_is_counted_and_leaves_nothing(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await http2_client(world)
    for _ in range(5):
        number = client.h2.get_next_available_stream_id()
        client.h2.send_headers(number, request(), end_stream=True)
        client.h2.reset_stream(number, CANCEL)
    await client.flush()
    await world.settle()

    (connection,) = world.connections.open
    assert connection.idle
    assert [line[2:4] for line in world.log] == [(499, "client-gone")] * 5


@pytest.mark.parametrize("protocol", ["http", "http2"])
async def test_a_client_that_does_not_read_one_response_gets_all_others(world, protocol):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol=protocol)
    client = await http2_client(world)
    client.credits = False
    unread = await client.request()
    served = await serve(world, endpoint, protocol, 1, bytes(1 << 20))
    await client.settled()
    assert client.data(unread) == 65_535  # all that its window allows
    client.h2.increment_flow_control_window(1 << 24)  # of the connection: that stream alone has stopped
    await client.flush()

    for _ in range(20):
        number = await client.request()
        await serve(world, endpoint, protocol, 2, bytes(30_000), served)
        assert len((await client.response(number))[2]) == 30_000

    assert client.data(unread) == 65_535


async def serve(world, endpoint, protocol, index, body, served=None):
    """Answer the next request; `served` is the connection that an HTTP/2 endpoint has already."""
    if protocol == "http":
        peer = endpoint.waiting() if index > 1 else None
        if index > 1 and peer is None and hasattr(endpoint, "second"):
            peer = endpoint.second
        if peer is None:
            peer = await endpoint.accept()
        if index > 1:
            endpoint.second = peer
        await peer.head()
        meanwhile(world, peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body))
        return peer
    served = served or await http2_accept(endpoint)
    stream, _ = await served.received_request()
    served.h2.send_headers(stream, [(b":status", b"200")])
    meanwhile(world, served.upload(stream, body))
    return served


@pytest.mark.parametrize("protocol", ["http", "http2"])
async def test_an_endpoint_that_does_not_read_one_upload_gets_all_others(world, protocol):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol=protocol)
    client = await http2_client(world)
    stuck = await client.request(request(b"PUT"), ended=False)
    meanwhile(world, client.upload(stuck, bytes(16 << 20)))
    if protocol == "http":
        served = await endpoint.accept()
        await served.head()
    else:
        served = await http2_accept(endpoint)
        served.credits = False
        await served.received_request()
        await served.settled()
        served.h2.increment_flow_control_window(1 << 24)
        await served.flush()
    await client.settled()

    for _ in range(20):
        number = await client.request(request(b"PUT"), ended=False)
        await client.upload(number, bytes(30_000))
        if protocol == "http":
            other = await endpoint.accept() if not hasattr(endpoint, "second") else endpoint.second
            endpoint.second = other
            await other.head()
            await other.until(b"0\r\n\r\n")
            await other.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        else:
            stream, _ = await served.received_request()
            assert len((await served.body(stream))[0]) == 30_000
            await served.respond(stream)
        assert (await client.response(number))[0] == 200

    assert client.h2.local_flow_control_window(stuck) == 0


async def test_a_ping_is_answered_while_much_is_sent(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await http2_client(world)
    await client.request()
    await serve(world, endpoint, "http", 1, bytes(1 << 20))
    await client.settled()

    client.h2.ping(b"12345678")
    await client.flush()

    assert (await client.event(PingAckReceived)).ping_data == b"12345678"
