"""What one connection may do in one turn of the reactor, so that all others get theirs."""

from contextlib import suppress

import pytest

from nodeproxy.downstream.closing import LINGER_BYTES
from nodeproxy.downstream.http1 import IN_A_ROW
from nodeproxy.exchange.body import SHARE_PIECES
from nodeproxy.io.socket_calls import RECEIVE_BYTES
from nodeproxy.protocol.http1.framing import STEPS_MOST

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: web.shop.mesh\r\n"
FRAMING_BYTES = 100  # of a piece on its way onward, at most
SIZE = 4 * 1024 * 1024


def taken(channel):
    """Everything that has arrived, without waiting."""
    data = b""
    with suppress(BlockingIOError):
        while more := channel._sock.recv(RECEIVE_BYTES):
            data += more
    return data


async def turn_by_turn(world, channel, size):
    """How much arrives in each turn, until `size` bytes have."""
    moved = []
    while sum(moved) < size:
        await world.reactor.rest()
        moved.append(len(taken(channel)))
    return moved


async def test_an_upload_moves_its_share_in_a_turn(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(PUT + b"Content-Length: %d\r\n\r\n" % SIZE)
    server = await endpoint.accept()
    await server.head()
    world.reactor.spawn(client.send(bytes(SIZE)))

    moved = await turn_by_turn(world, server.channel, SIZE)

    assert max(moved) <= SHARE_PIECES * RECEIVE_BYTES


async def test_an_upload_in_tiny_chunks_is_measured_by_their_number(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(PUT + b"Transfer-Encoding: chunked\r\n\r\n")
    server = await endpoint.accept()
    await server.head()
    count = 20 * SHARE_PIECES * STEPS_MOST
    world.reactor.spawn(client.send(b"1\r\na\r\n" * count + b"0\r\n\r\n"))

    moved = await turn_by_turn(world, server.channel, count)

    assert max(moved) <= SHARE_PIECES * (STEPS_MOST + FRAMING_BYTES)


async def test_a_download_moves_its_share_in_a_turn(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()
    await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
    await client.head()
    world.reactor.spawn(server.send(bytes(SIZE)))

    moved = await turn_by_turn(world, client.channel, SIZE)

    assert max(moved) <= SHARE_PIECES * RECEIVE_BYTES


async def test_a_download_in_tiny_chunks_is_measured_by_their_number(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()
    await server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await client.head()
    count = 20 * SHARE_PIECES * STEPS_MOST
    world.reactor.spawn(server.send(b"1\r\na\r\n" * count + b"0\r\n\r\n"))

    moved = await turn_by_turn(world, client.channel, count)

    assert max(moved) <= SHARE_PIECES * (STEPS_MOST + FRAMING_BYTES)


async def test_pipelined_requests_take_turns_with_others(world):
    world.serve()
    client = await world.client()
    await client.send(GET.replace(b"web", b"nope"))
    one = len(await client.head() + await client.until(b"\n"))
    await client.send(GET.replace(b"web", b"nope") * 4 * IN_A_ROW)

    moved = await turn_by_turn(world, client.channel, 4 * IN_A_ROW * one)

    assert max(moved) == IN_A_ROW * one


async def refused(world):
    client = await world.client()
    await client.send(b"GET / HTTP/1.1\nHost: a\n\n")
    await client.rest()
    return client


async def test_what_a_refused_client_still_sends_is_discarded_up_to_a_limit_and_in_turns(world):
    client = await refused(world)
    sent = turns = 0

    with suppress(ConnectionResetError, BrokenPipeError):
        while sent < 64 * LINGER_BYTES:
            with suppress(BlockingIOError):
                while True:
                    sent += client.channel._sock.send(bytes(RECEIVE_BYTES))
            await world.reactor.rest()
            turns += 1

    assert sent < 64 * LINGER_BYTES, "it reads for ever"
    assert sent >= LINGER_BYTES
    assert turns >= LINGER_BYTES // RECEIVE_BYTES
    assert not world.connections.open


@pytest.mark.parametrize("request_of", [b"GET / HTTP/1.1\nHost: a\n\n", PUT + b"Content-Length: 9\r\n\r\n"])
async def test_a_client_that_lingers_is_not_waited_for_long(world, request_of):
    world.serve()
    client = await world.client()
    await client.send(request_of)
    await client.rest()

    before = len(world.connections.open)
    world.advance(2.1)
    await world.settle()

    assert (before, len(world.connections.open)) == (1, 0)
