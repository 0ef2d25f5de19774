"""Whatever an endpoint sends over HTTP/2, each client gets one whole response or an error that looks like none, what is
held for the endpoint is bounded, and the worker and its other endpoints go on.
"""

import pytest
from hpack import Encoder

from nodeproxy.protocol.http2.codes import PREFACE
from nodeproxy.protocol.http2.limits import ANSWERS_BYTES, OVERHEAD_BYTES, UNSENT_BYTES
from tests.fakes.http2 import http2_client, meanwhile, request

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, BOTH = 1, 4, 5
NO_RETRIES = {"retries": {"attempts": 0}}


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def number(value):
    return value.to_bytes(4, "big")


def head(stream, flags, *fields):
    return frame(HEADERS, flags, stream, Encoder().encode([(b":status", b"200"), *fields], huffman=False))


def other(stream, flags, *fields):
    return frame(HEADERS, flags, stream, Encoder().encode(list(fields), huffman=False))


async def asked(world, requests=1, method=b"GET"):
    """A client with requests under way, and the connection of the endpoint that has them."""
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies=NO_RETRIES)
    client = await http2_client(world)
    numbers = [await client.request(request(method)) for _ in range(requests)]
    served = await endpoint.accept()
    await served.until(PREFACE)
    await served.send(frame(SETTINGS, 0, 0))
    await world.settle()
    return endpoint, client, numbers, served


@pytest.mark.parametrize("response", [
    frame(DATA, 0, 1, b"body"),
    frame(DATA, END_STREAM, 1),
    frame(DATA, END_STREAM, 1, b"body"),
    head(1, END_HEADERS) + head(1, BOTH),
    head(1, END_HEADERS) + other(1, END_HEADERS, (b"trailers", b"without end")),
    other(1, BOTH, (b"x", b"no status")),
    other(1, BOTH, (b":status", b"abc")),
    other(1, BOTH, (b":status", b"100")),
    other(1, END_HEADERS, (b":status", b"101")),
    other(1, BOTH, (b":status", b"200"), (b":path", b"/")),
    head(1, BOTH, (b"x", b"1\r\nset-cookie: y")),
    head(1, BOTH, (b"x\r\ny", b"1")),
    head(1, BOTH, (b"connection", b"close")),
    head(1, BOTH, (b"transfer-encoding", b"chunked")),
    head(1, BOTH, (b"content-length", b"5")),
    head(1, END_HEADERS, (b"content-length", b"x")),
    other(1, END_HEADERS, (b":status", b"103")) * 50,
    head(1, BOTH, (b"X", b"1")),
    frame(WINDOW, 0, 1, number(0)),
    frame(WINDOW, 0, 1, number(2**31 - 1)),
    frame(PRIORITY, 0, 1, number(1) + b"\0"),
], ids=lambda each: each[:40].hex())  # fmt: skip
async def test_what_is_no_response_ends_one_request_and_its_endpoint_hears_of_it(world, response):
    endpoint, client, (broken, fine), served = await asked(world, 2)

    await served.send(response)
    await world.settle()
    await served.send(head(3, END_HEADERS) + frame(DATA, END_STREAM, 3, b"ok"))

    assert (await client.response(fine))[2] == b"ok"
    await client.settled()
    await client.until_over(broken)
    if broken in client.resets:
        assert client.data(broken) < 5  # it had begun
    else:
        status, fields, _, _ = await client.response(broken)
        assert (status, dict(fields)[b"x-mesh-error"]) == (502, b"bad-response")
    assert frame(RST, 0, 1)[3:9] in await all_of(served)  # its endpoint stops
    assert not served.channel.ending and endpoint.nobody_came()


async def all_of(served):
    while served.channel.has_input():
        served.received += await served.channel.recv()
    return served.received


@pytest.mark.parametrize(("said", "sent"), [(3, b"ab"), (3, b"abcd"), (0, b"a")])
async def test_a_body_of_another_length_than_announced_never_looks_complete(world, said, sent):
    _, client, (broken,), served = await asked(world)

    await served.send(head(1, END_HEADERS, (b"content-length", b"%d" % said)))
    await world.settle()
    await served.send(frame(DATA, END_STREAM, 1, sent))

    await client.until_over(broken)
    assert broken in client.resets or b"x-mesh-error" in dict((await client.response(broken))[1])


@pytest.mark.parametrize("frames", [
    head(3, BOTH), head(2, BOTH), head(5, BOTH), frame(DATA, 0, 3, b"x"), frame(DATA, 0, 2, b"x"),
    frame(WINDOW, 0, 7, number(1)), frame(RST, 0, 3, number(8)), frame(PUSH, 4, 1, number(2) + b"\x82"),
    frame(CONTINUATION, 4, 1), frame(HEADERS, 0, 1, b"\x88") + frame(PING, 0, 0, bytes(8)),
    frame(SETTINGS, 0, 0, b"\0\4\xff\xff\xff\xff"), frame(SETTINGS, 0, 0, b"\0\2\0\0\0\2"),
    frame(WINDOW, 0, 0, number(0)), frame(WINDOW, 0, 0, number(2**31 - 1)), frame(PING, 0, 0, b"x"),
    frame(HEADERS, 5, 1, b"\xff\xff\xff\xff\xff"), (16_385).to_bytes(3, "big") + bytes(6),
    b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(200),
], ids=lambda each: each[:30].hex())  # fmt: skip
async def test_what_no_connection_may_carry_ends_it_and_the_next_request_opens_another(world, frames):
    endpoint, client, (failed,), served = await asked(world)

    await served.send(frames)

    status, fields, _, _ = await client.response(failed)
    assert (status, dict(fields)[b"x-mesh-error"]) == (502, b"bad-response")
    assert frame(GOAWAY, 0, 0)[3:9] in await served.rest()
    await client.request()
    await endpoint.accept()


@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", b"SSH-2.0-x\r\n", b""])
async def test_a_server_that_speaks_no_http2_is_none_that_can_be_connected_to(world, says):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies=NO_RETRIES)
    client = await http2_client(world)
    stream = await client.request(request(b"POST"), body=b"secret")
    served = await endpoint.accept()
    await served.until(PREFACE)

    await served.send(says)
    served.close()

    status, fields, body, _ = await client.response(stream)
    assert (status, dict(fields)[b"x-mesh-error"]) == (503, b"connect-failed")
    assert b"not HTTP/2" in body or not says
    assert b"secret" not in served.received


async def test_a_server_that_says_nothing_is_given_up_in_time(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies=NO_RETRIES)
    client = await http2_client(world)
    stream = await client.request()
    await endpoint.accept()
    await world.settle()

    world.advance(5.1)  # `timeouts.connect`

    status, fields, _, _ = await client.response(stream)
    assert (status, dict(fields)[b"x-mesh-error"]) == (503, b"connect-failed")


async def test_early_hints_that_the_client_does_not_read_are_bounded(world):
    """A client of HTTP/1.1 that has stopped, and an endpoint that sends one 103 after the other."""
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies=NO_RETRIES)
    client = await world.client()
    await client.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n")
    served = await endpoint.accept()
    await served.until(PREFACE)
    await served.send(frame(SETTINGS, 0, 0))
    await world.settle()
    hints = other(1, END_HEADERS, (b":status", b"103"), (b"link", b"x" * 10_000))
    for _ in range(100):
        meanwhile(world, served.send(hints * 5))
        await world.settle(3)
        assert heads(world) <= 17

    await client.until(b"HTTP/1.1 502 ")


def heads(world):
    (endpoint,) = world.clusters.get("shop/web:80").endpoints
    return max(
        [len(stream.heads) for each in endpoint.pool._connections for stream in each._link.streams.values()], default=0
    )


FLOODS = {
    "PING": frame(PING, 0, 0, bytes(8)),
    "SETTINGS": frame(SETTINGS, 0, 0),
    "GOAWAY": frame(GOAWAY, 0, 0, number(2**31 - 1) + bytes(4)),
    "WINDOW_UPDATE": frame(WINDOW, 0, 1, number(1)),
    "empty DATA": frame(DATA, 0, 1),
    "PRIORITY": frame(PRIORITY, 0, 1, bytes(5)),
    "unknown": frame(77, 0, 1, b"what"),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
async def test_a_flood_ends_the_connection(world, flood):
    _, client, (failed,), served = await asked(world)
    await served.send(head(1, END_HEADERS))
    many = flood * (65_536 // len(flood))
    sent = 0
    while sent < 3 * OVERHEAD_BYTES and not served.channel.ending:
        meanwhile(world, served.send(many))
        sent += len(many)
        await world.settle(3)
        assert held(world) <= UNSENT_BYTES + ANSWERS_BYTES + 200_000

    assert served.channel.ending
    await client.until_over(failed)
    assert failed in client.resets


def held(world):
    (endpoint,) = world.clusters.get("shop/web:80").endpoints
    return sum(each._link.outbox.size for each in endpoint.pool._connections)


async def test_responses_that_clients_do_not_read_are_bounded_by_their_windows(world):
    _, client, streams, served = await asked(world, 10)
    client.credits = False
    client.h2.update_settings({4: 0})
    await client.flush()
    await world.settle()
    limit = 64 * 1024
    for at, _ in enumerate(streams):
        await served.send(head(2 * at + 1, END_HEADERS) + frame(DATA, 0, 2 * at + 1, bytes(16_000)) * 4)
        await world.settle(3)

    (endpoint,) = world.clusters.get("shop/web:80").endpoints
    (connection,) = endpoint.pool._connections
    for stream in connection._link.streams.values():
        assert sum(map(len, stream.pieces)) <= limit
    await served.send(frame(DATA, 0, 1, bytes(16_000)))
    await world.settle()
    await served.send(frame(DATA, 0, 1, bytes(16_000)) * 5)
    client.h2.increment_flow_control_window(1 << 20, streams[0])
    client.h2.increment_flow_control_window(1 << 20)
    await client.flush()
    await client.until_over(streams[0])  # the endpoint has sent more than it may: that request alone is over
    assert [stream for stream in streams if stream in client.resets] == [streams[0]]


async def test_a_settings_storm_of_windows_is_borne(world):
    _, client, (stream,), served = await asked(world)
    for each in range(200):
        await served.send(frame(SETTINGS, 0, 0, b"\0\4" + number(each * 1000)))
    await served.send(head(1, END_HEADERS) + frame(DATA, END_STREAM, 1, b"ok"))

    assert (await client.response(stream))[2] == b"ok"


async def test_an_endpoint_that_ends_its_connection_within_a_response_is_noticed(world):
    _, client, (stream,), served = await asked(world)
    await served.send(head(1, END_HEADERS) + frame(DATA, 0, 1, b"half"))
    await world.settle()

    served.close()

    await client.until_over(stream)
    assert stream in client.resets
