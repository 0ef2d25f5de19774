"""One endpoint's connections: idle ones are used again, and closed when they are old, spoilt or not wanted any more."""

import pytest

from nodeproxy.errors import ConnectionLost
from nodeproxy.upstream import endpoint as endpoint_module
from nodeproxy.upstream.endpoint import IDLE_S
from tests.fakes.pool import Pool


async def test_the_connection_used_last_is_used_next(world):
    pool = Pool(world)
    (first, _), (second, _) = await pool.open(2)

    pool.endpoint.give_back(first)
    pool.endpoint.give_back(second)

    assert pool.endpoint.idle_count == 2
    assert [pool.endpoint.take() for _ in range(3)] == [second, first, None]


async def test_more_idle_connections_than_the_most_are_closed(world, monkeypatch):
    monkeypatch.setattr(endpoint_module, "IDLE_MOST", 2)
    pool = Pool(world)
    pairs = await pool.open(3)
    for channel, _ in pairs:
        pool.endpoint.give_back(channel)

    assert pool.endpoint.idle_count == 2
    assert await pairs[2][1].rest() == b""


async def test_a_connection_that_is_ending_is_not_kept(world):
    pool = Pool(world)
    channel, server = await pool.open()
    server.close()
    await world.settle()

    pool.endpoint.give_back(channel)

    assert pool.endpoint.idle_count == 0 and channel.closed


async def test_an_idle_connection_that_speaks_or_ends_is_given_up(world):
    pool = Pool(world)
    (speaks, speaking), (ends, ending) = await pool.open(2)
    pool.endpoint.give_back(speaks)
    pool.endpoint.give_back(ends)

    await speaking.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    ending.close()
    await world.settle()

    assert speaks.closed and ends.closed
    assert pool.endpoint.take() is None


async def test_each_connection_is_closed_when_it_has_been_idle_for_too_long(world):
    pool = Pool(world)
    (old, _), (young, _) = await pool.open(2)
    pool.endpoint.give_back(old)
    world.advance(IDLE_S / 2)
    await world.settle()
    pool.endpoint.give_back(young)

    world.advance(IDLE_S / 2)
    await world.settle()
    assert (old.closed, young.closed, pool.endpoint.idle_count) == (True, False, 1)
    world.advance(IDLE_S / 2)
    await world.settle()

    assert young.closed and pool.endpoint.idle_count == 0


async def test_a_connection_in_use_is_never_swept_and_counts_anew_when_it_is_back(world):
    pool = Pool(world)
    channel, _ = await pool.open()
    pool.endpoint.give_back(channel)
    assert pool.endpoint.take() is channel
    world.advance(IDLE_S)
    await world.settle()

    pool.endpoint.give_back(channel)
    world.advance(IDLE_S - 1)
    await world.settle()
    assert not channel.closed
    world.advance(1)
    await world.settle()

    assert channel.closed


async def test_an_endpoint_that_leaves_closes_idle_connections_now_and_the_others_after_their_use(world):
    pool = Pool(world)
    (idle, idle_server), (used, used_server) = await pool.open(2)
    pool.endpoint.give_back(idle)

    pool.endpoint.leave()
    assert await idle_server.rest() == b"" and not used.closed
    pool.endpoint.give_back(used)

    assert await used_server.rest() == b""
    assert pool.endpoint.idle_count == 0


async def test_an_answer_that_comes_while_the_request_is_still_being_written_can_be_read(world):
    pool = Pool(world)
    channel, server = await pool.open()
    sending = world.reactor.spawn(channel.send(bytes(20_000_000)))
    await world.settle()
    assert not sending.ended

    await server.send(b"HTTP/1.1 413 Too Large\r\n\r\n")
    await world.settle()

    closed = channel.closed
    sending.cancel()
    assert not closed


async def test_a_connection_with_more_to_say_is_not_used_again(world):
    pool = Pool(world)
    channel, server = await pool.open()
    await server.send(b"HTTP/1.1 200 OK\r\n\r\n")
    await world.settle()

    pool.endpoint.give_back(channel)

    assert channel.closed and pool.endpoint.take() is None


async def test_a_broken_idle_connection_is_not_mistaken_for_a_failed_connect(world):
    pool = Pool(world)
    channel, server = await pool.open()
    pool.endpoint.give_back(channel)
    assert pool.endpoint.take() is channel
    server.reset()

    with pytest.raises(ConnectionLost):
        await channel.recv()

    assert pool.endpoint.health.ejections == 0
