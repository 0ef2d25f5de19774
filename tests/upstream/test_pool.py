"""One endpoint's connections: idle ones are used again, and closed when they are old, spoilt or not wanted any more."""

import pytest

from nodeproxy.errors import ConnectFailed, ConnectionLost
from nodeproxy.upstream import http1_pool as pool_module
from nodeproxy.upstream.http1 import IDLE_S
from tests.fakes.pool import Pooled


async def test_the_connection_used_last_is_used_next(world):
    pool = Pooled(world)
    (first, _), (second, _) = await pool.open(2)

    pool.release(first)
    pool.release(second)

    assert pool.idle_count == 2
    assert [pool.take() for _ in range(3)] == [second, first, None]


async def test_more_idle_connections_than_the_most_are_closed(world, monkeypatch):
    monkeypatch.setattr(pool_module, "IDLE_MOST", 2)
    pool = Pooled(world)
    pairs = await pool.open(3)
    for connection, _ in pairs:
        pool.release(connection)

    assert pool.idle_count == 2
    assert await pairs[2][1].rest() == b""


async def test_a_connection_that_is_ending_is_not_kept(world):
    pool = Pooled(world)
    connection, server = await pool.open()
    server.close()
    await world.settle()

    pool.release(connection)

    assert pool.idle_count == 0 and connection.channel.closed


async def test_an_idle_connection_that_speaks_or_ends_is_given_up(world):
    pool = Pooled(world)
    (speaks, speaking), (ends, ending) = await pool.open(2)
    pool.release(speaks)
    pool.release(ends)

    await speaking.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    ending.close()
    await world.settle()

    assert speaks.channel.closed and ends.channel.closed
    assert pool.take() is None


async def test_an_idle_connection_whose_last_response_was_waited_for_is_given_up_when_it_ends(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n")
    server = await endpoint.accept()
    await server.head()
    await world.settle()
    await server.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    await client.head()
    pool = world.clusters.get("shop/web:80").endpoints[0].pool
    assert pool.idle_count == 1

    server.close()
    await world.settle()

    assert pool.idle_count == 0


async def test_a_connection_whose_time_is_up_carries_no_request_of_the_same_turn(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    for _ in range(2):
        await client.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n")
        server = await endpoint.accept()
        await server.head()
        await server.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert (await client.head()).startswith(b"HTTP/1.1 204 ")
        await world.settle()
        world.advance(IDLE_S)


async def test_each_connection_is_closed_when_it_has_been_idle_for_too_long(world):
    pool = Pooled(world)
    (old, _), (young, _) = await pool.open(2)
    pool.release(old)
    world.advance(IDLE_S / 2)
    await world.settle()
    pool.release(young)

    world.advance(IDLE_S / 2)
    await world.settle()
    assert (old.channel.closed, young.channel.closed, pool.idle_count) == (True, False, 1)
    world.advance(IDLE_S / 2)
    await world.settle()

    assert young.channel.closed and pool.idle_count == 0


async def test_the_next_to_be_closed_is_the_one_whose_time_is_up_first(world):
    pool = Pooled(world)
    pairs = await pool.open(3)
    for connection, _ in pairs:
        pool.release(connection)
        world.advance(IDLE_S / 4)
        await world.settle()

    closed = []
    for _ in range(3):
        world.advance(IDLE_S / 4)
        await world.settle()
        closed.append([connection.channel.closed for connection, _ in pairs])

    assert closed == [[True, False, False], [True, True, False], [True, True, True]]


async def test_a_connection_in_use_is_never_swept_and_counts_anew_when_it_is_back(world):
    pool = Pooled(world)
    connection, _ = await pool.open()
    pool.release(connection)
    assert pool.take() is connection
    world.advance(IDLE_S)
    await world.settle()

    pool.release(connection)
    world.advance(IDLE_S - 1)
    await world.settle()
    assert not connection.channel.closed
    world.advance(1)
    await world.settle()

    assert connection.channel.closed


async def test_an_endpoint_that_leaves_closes_idle_connections_now_and_the_others_after_their_use(world):
    pool = Pooled(world)
    (idle, idle_server), (used, used_server) = await pool.open(2)
    pool.release(idle)

    pool.drain()
    assert await idle_server.rest() == b"" and not used.channel.closed
    pool.release(used)

    assert await used_server.rest() == b""
    assert pool.idle_count == 0


async def test_an_endpoint_that_has_left_is_not_connected_to(world):
    pool = Pooled(world)
    pool.drain()

    with pytest.raises(ConnectFailed, match="it has left the service"):
        await pool.connect()

    await world.settle()
    assert pool.server.nobody_came() and pool.endpoint.pool.count == 0


@pytest.mark.parametrize("reused", [False, True])
async def test_an_answer_that_comes_while_the_request_is_still_being_written_can_be_read(world, reused):
    pool = Pooled(world)
    connection, server = await pool.open()
    if reused:
        pool.release(connection)
        assert pool.take() is connection
    sending = world.reactor.spawn(connection.channel.send(bytes(20_000_000)))
    await world.settle()
    assert not sending.ended

    await server.send(b"HTTP/1.1 413 Too Large\r\n\r\n")
    await world.settle()

    closed = connection.channel.closed
    sending.cancel()
    assert not closed


async def test_a_connection_with_more_to_say_is_not_used_again(world):
    pool = Pooled(world)
    connection, server = await pool.open()
    await server.send(b"HTTP/1.1 200 OK\r\n\r\n")
    await world.settle()

    pool.release(connection)

    assert connection.channel.closed and pool.take() is None


async def test_a_broken_idle_connection_is_not_mistaken_for_a_failed_connect(world):
    pool = Pooled(world)
    connection, server = await pool.open()
    pool.release(connection)
    assert pool.take() is connection
    server.reset()

    with pytest.raises(ConnectionLost):
        await connection.channel.recv()

    assert pool.endpoint.health.ejections == 0


async def test_a_pool_counts_its_connections(world):
    pool = Pooled(world)
    (idle, _), (used, _) = await pool.open(2)
    pool.release(idle)
    assert pool.endpoint.pool.count == 2

    idle.close()
    idle.close()
    used.close()

    assert pool.endpoint.pool.count == 0


async def test_a_connect_that_fails_is_not_counted(world):
    pool = Pooled(world)
    pool.server.stop()

    with pytest.raises(ConnectFailed):
        await pool.endpoint.pool.open(5.0)

    assert pool.endpoint.pool.count == 0
