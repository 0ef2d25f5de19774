"""Rules of RFC 9113 that no other test is about; docs/conformance.md names the test of each rule."""

import pytest

from nodeproxy.downstream.http2_drain import DRAIN_S
from nodeproxy.protocol.http2.codes import ENABLE_PUSH, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE, PREFACE
from nodeproxy.protocol.http2.frames import parse_settings
from nodeproxy.protocol.http2.limits import CONNECTION_WINDOW_BYTES
from tests.downstream.test_http2_hostile import (
    CANCEL,
    CLOSED,
    DATA,
    END_HEADERS,
    END_STREAM,
    FLOW,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    PROTOCOL,
    PUSH,
    RST,
    SETTINGS,
    WINDOW,
    Raw,
    frame,
    head,
    hostile,
    number,
)
from tests.fakes.http2 import http2_accept, http2_client, request

PUT = request(b"PUT")
UNUSED_FLAGS = 0xD2  # of HEADERS


@pytest.fixture
def endpoint(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    return endpoint


async def answered(endpoint):
    served = await endpoint.accept()
    await served.head()
    await served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789")


async def test_a_connection_begins_with_settings_that_allow_no_push(world, endpoint):  # 3.4, 6.5, 6.5.2
    raw = Raw(await world.client())
    await raw.send(PREFACE, frame(SETTINGS, 0, 0))

    (first, _, payload), *others = raw.frames
    said = dict(parse_settings(payload))
    assert first == SETTINGS and (SETTINGS, 0, b"") in others
    assert ENABLE_PUSH not in said and MAX_FRAME_SIZE not in said
    assert said[MAX_CONCURRENT_STREAMS] >= 100


@pytest.mark.parametrize("status", [b"200", b"204"])
async def test_frames_have_no_padding_no_priority_and_no_unused_flags(world, status):  # 4.1, 6.1, 6.2, 8.4
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)
    stream = await client.request(request(b"POST", b"/", (b"te", b"trailers")), body=b"question")
    served = await http2_accept(endpoint)
    other, _ = await served.received_request()
    body, trailers = (b"answer", [(b"x-sum", b"1")]) if status == b"200" else (b"", None)
    await served.respond(other, body, status=status, trailers=trailers)
    assert (await client.response(stream))[2] == body

    for kind, flags, number_ in (*client.frames, *served.frames):
        assert kind not in (PRIORITY, PUSH)
        assert flags & ~(END_STREAM | END_HEADERS) == 0  # END_STREAM is ACK of SETTINGS and PING
        assert number_ < 2**31  # the reserved bit
    assert all(stream & 1 for kind, _, stream in served.frames if kind == HEADERS)


async def test_unused_flags_and_unknown_numbers_mean_nothing(world, endpoint):  # 4.1, 5.5, 6.5.2, 7
    raw = await hostile(world)
    await raw.send(
        frame(SETTINGS, 0xFE, 0, b"\0\x63" + number(7)), frame(PING, 0xFE, 0, b"12345678"),
        frame(GOAWAY, 0xFF, 0, number(0) + number(0xDEADBEEF)), head(1, PUT, END_HEADERS),
        frame(RST, 0xFF, 1, number(0xDEADBEEF)), head(3, flags=UNUSED_FLAGS | END_HEADERS | END_STREAM),
    )  # fmt: skip
    while (served := await endpoint.accept()) is not None:
        if b"GET" in await served.head():
            break
    await served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await raw.settle()

    assert raw.goaway is None and raw.resets == []
    assert raw.of(SETTINGS) == [(0, b"")] and raw.of(PING) == [(0, b"12345678")]
    assert (3, b"ok") in raw.of(DATA)


async def test_a_ping_is_answered_with_its_bytes_and_an_answer_is_not(world, endpoint):  # 6.7
    raw = await hostile(world)
    await raw.send(frame(PING, 0, 0, b"question"), frame(PING, 1, 0, b"answered"))

    assert raw.of(PING) == [(0, b"question")]


async def test_a_reset_is_not_answered_by_another(world, endpoint):  # 5.4.2, 6.4
    raw = await hostile(world)
    await raw.send(head(1, PUT, END_HEADERS), frame(RST, 0, 1, number(CANCEL)), frame(RST, 0, 1, number(CANCEL)))
    await raw.send(frame(RST, 0, 1, number(CANCEL)))

    assert raw.resets == [] and raw.goaway is None
    assert [each for each in raw.frames if each[1] == 1] == []  # nothing is sent on it any more


async def test_a_malformed_request_is_reset_once_whatever_follows(world, endpoint):  # 5.1, 5.4.2
    raw = await hostile(world)
    for frames in (head(1, [(b"x", b"no pseudo-fields")], END_HEADERS), frame(DATA, 0, 1, b"a"),
                   frame(WINDOW, 0, 1, number(1)), frame(PRIORITY, 0, 1, bytes(5)), head(1, [(b"x", b"1")]),
                   frame(DATA, END_STREAM, 1, b"b")):  # fmt: skip
        await raw.send(frames)

    assert raw.resets == [(1, PROTOCOL)] and raw.goaway is None


async def test_what_comes_behind_the_end_of_a_request_resets_its_stream(world, endpoint):  # 5.1, 6.1
    for late in (frame(DATA, 0, 1, b"late"), head(1, [(b"x", b"1")])):
        raw = await hostile(world)
        await raw.send(head(1), late)

        assert raw.resets == [(1, CLOSED)] and raw.goaway is None


async def test_data_that_nobody_reads_counts_to_the_connections_window(world, endpoint):  # 5.1, 6.8, 6.9
    raw = await hostile(world)
    await raw.send(head(1, [(b"x", b"no pseudo-fields")], END_HEADERS))
    for _ in range(2 * CONNECTION_WINDOW_BYTES // 16_384):
        await raw.send(frame(DATA, 0, 1, bytes(16_384)))

    returned = [int.from_bytes(payload, "big") for stream, payload in raw.of(WINDOW) if stream == 0]
    assert sum(returned) == 2 * CONNECTION_WINDOW_BYTES and raw.goaway is None


async def test_a_second_head_within_a_request_makes_it_malformed(world, endpoint):  # 8.1
    raw = await hostile(world)
    await raw.send(head(1, PUT, END_HEADERS), head(1, [(b"x-sum", b"1")], END_HEADERS))

    assert raw.resets == [(1, PROTOCOL)]


async def test_settings_that_lift_a_window_above_the_largest_end_the_connection(world, endpoint):  # 6.9.2
    raw = await hostile(world)
    await raw.send(head(1), frame(WINDOW, 0, 1, number(2**31 - 1 - 65_535)))
    assert raw.goaway is None

    await raw.send(frame(SETTINGS, 0, 0, b"\0\4" + number(65_536)))
    assert raw.goaway == FLOW


async def test_settings_hold_in_their_order_and_are_acknowledged_one_by_one(world, endpoint):  # 6.5.3, 6.9.1
    raw = await hostile(world)
    await raw.send(frame(SETTINGS, 0, 0, b"\0\4" + number(0) + b"\0\4" + number(4)), frame(SETTINGS, 0, 0), head(1))
    await answered(endpoint)
    await raw.settle()
    assert raw.of(SETTINGS) == [(0, b"")] * 2
    assert raw.of(DATA) == [(1, b"0123")]

    await raw.send(frame(SETTINGS, 0, 0, b"\0\4" + number(2)), frame(WINDOW, 0, 1, number(2)))
    assert raw.of(DATA) == [(1, b"0123")]  # the window was negative, and is 0
    await raw.send(frame(WINDOW, 0, 1, number(3)))
    assert raw.of(DATA) == [(1, b"0123"), (1, b"456")]


async def test_options_of_a_server_and_fields_of_a_connection_from_http1(world):  # 8.2.2, 8.3.1
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    for line in (b"OPTIONS * HTTP/1.1", b"OPTIONS http://web.shop.mesh HTTP/1.1"):
        client = await world.client()
        await client.send(
            line + b"\r\nHost: web.shop.mesh\r\nConnection: keep-alive, x-hop\r\nKeep-Alive: 5\r\nX-Hop: 1\r\n"
            b"Proxy-Connection: x\r\nTE: gzip\r\nX-End: 1\r\n\r\n"
        )
        if line.startswith(b"OPTIONS *"):
            served = await http2_accept(endpoint)
        stream, fields = await served.received_request()
        await served.respond(stream)
        await client.head()

        assert dict(fields)[b":path"] == b"*" and dict(fields)[b":authority"] == b"web.shop.mesh"
        hop = {b"host", b"connection", b"keep-alive", b"x-hop", b"proxy-connection", b"te"}
        assert hop.isdisjoint(dict(fields)) and (b"x-end", b"1") in fields


async def test_fields_of_an_endpoints_connection_do_not_reach_http2(world, endpoint):  # 8.2.2
    client = await http2_client(world)
    stream = await client.request()
    served = await endpoint.accept()
    await served.head()
    await served.send(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX-End: 1\r\n\r\nok"
    )

    _, fields, body, _ = await client.response(stream)
    assert {b"connection", b"x-hop", b"keep-alive"}.isdisjoint(dict(fields))
    assert (b"x-end", b"1") in fields and body == b"ok"


async def test_the_last_stream_of_goaway_never_rises(world, endpoint):  # 6.8
    raw = await hostile(world)
    await raw.send(head(1, request()))
    await answered(endpoint)
    world.connections.drain()
    await raw.settle()
    world.advance(DRAIN_S + 0.1)
    await raw.settle()

    await raw.send(head(3, request()), frame(SETTINGS, 0, 0, b"x"))

    last = [int.from_bytes(payload[:4], "big") for _, payload in raw.of(GOAWAY)]
    assert last[0] == 2**31 - 1 and last == sorted(last, reverse=True)


async def test_data_after_the_end_of_a_request_reset_it_once(world, endpoint):  # 5.4.2
    raw = await hostile(world)
    await raw.send(head(1, request()))
    await endpoint.accept()

    await raw.send(frame(DATA, 0, 1, b"more"))
    await raw.send(frame(DATA, 0, 1, b"and more"))

    assert raw.of(RST) == [(1, number(CLOSED))]


async def test_an_endpoint_that_allows_push_is_no_server(world):  # 6.5.2
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies={"retries": {"attempts": 0}})
    client = await http2_client(world)
    stream = await client.request()

    served = await endpoint.accept()
    await served.send(frame(SETTINGS, 0, 0, settings_of(ENABLE_PUSH, 1)))

    status, fields, _, _ = await client.response(stream)
    assert (status, dict(fields)[b"x-mesh-error"]) == (503, b"connect-failed")


def settings_of(name, value):
    return name.to_bytes(2, "big") + value.to_bytes(4, "big")
