"""Commands to a Redis server are counted beside the relay: what the endpoint has got, and nothing else."""

import pytest

from tests.downstream.test_tcp import Database

PING = b"*1\r\n$4\r\nPING\r\n"
LARGE = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$16000000\r\n" + bytes(16_000_000) + b"\r\n"


@pytest.fixture
def cache(world):
    """A Redis server whose commands are counted."""
    cache = Database(world)
    cache.serve(policies={"redis": {"commandMetrics": True}})
    yield cache
    cache.virtual.close()
    cache.kept.close()


def counts(world):
    (route,) = world.live.table
    return route.stats.redis_commands


async def test_each_command_is_counted_once_however_its_bytes_arrive(world, cache):
    client = await cache.client()
    server = await cache.endpoint.accept()

    for piece in (PING[:3], PING[3:12], PING[12:] + PING * 1000 + PING[:7], PING[7:]):
        await client.send(piece)
        await world.settle(4)
    await server.exactly(len(PING) * 1002)

    assert counts(world) == {"ping": 1002}


async def test_what_a_slow_server_has_not_taken_is_not_counted_yet(world, cache):
    client = await cache.client()
    server = await cache.endpoint.accept()

    sending = world.reactor.spawn(client.send(LARGE + PING))
    await world.settle(50)
    before = dict(counts(world))
    await server.exactly(len(LARGE + PING))
    await sending.join()

    assert (before, counts(world)) == ({"set": 1}, {"set": 1, "ping": 1})


async def test_bytes_pass_whatever_they_are(world, cache):
    client = await cache.client()
    server = await cache.endpoint.accept()

    await client.send(PING + b"\x16\x03\x01" + PING)

    assert await server.exactly(2 * len(PING) + 3) == PING + b"\x16\x03\x01" + PING
    assert counts(world) == {"ping": 1}
