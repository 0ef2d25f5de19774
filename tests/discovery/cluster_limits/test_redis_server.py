"""The bucket that a real server keeps."""

from contextlib import asynccontextmanager

import pytest

from discovery.cluster_limits.claims import Claim
from discovery.cluster_limits.redis_server import RedisServer
from discovery.cluster_limits.server import Grant, ServerGone
from discovery.cluster_limits.wanted import ClusterLimit
from tests.fakes.redis import Redis

pytestmark = pytest.mark.anyio
PASSWORD = "only for this test"


@pytest.fixture(scope="module")
def redis():
    with Redis() as redis:
        yield redis


@pytest.fixture
def limit(redis, request):
    return ClusterLimit(f"shop/{request.node.name}:80", redis.url, 0.001, 10.0)


@asynccontextmanager
async def connected(url, node="a", password_file=None):
    server = RedisServer(url, node, password_file)
    try:
        yield server
    finally:
        await server.close()


async def claimed(server, *claims):
    return (await server.exchange(claims))[1]


async def test_no_more_is_granted_than_there_is(limit):
    async with connected(limit.server) as server:
        grants = await claimed(server, Claim(limit, 7), Claim(limit, 7), Claim(limit, 1))

    assert [grant.tokens for grant in grants] == [7, 3, 0]


async def test_what_is_returned_can_be_granted_again(limit):
    async with connected(limit.server) as server:
        grants = await claimed(server, Claim(limit, 10), Claim(limit, -4), Claim(limit, 9))

    assert [grant.tokens for grant in grants] == [10, -4, 4]


async def test_what_was_used_without_a_lease_is_counted_whatever_is_left(limit):
    async with connected(limit.server) as server:
        grants = await claimed(server, Claim(limit, 0, owed=8), Claim(limit, 9), Claim(limit, 0, owed=8))
        later = await claimed(server, Claim(limit, -8), Claim(limit, 1))

    assert [grant.tokens for grant in grants] == [0, 2, 0]
    assert [grant.tokens for grant in later] == [-8, 0]


async def test_the_bucket_fills_by_the_clock_of_the_server(limit, redis):
    fast = ClusterLimit(limit.port, redis.url, 1e6, 10.0)  # 10 tokens in 10 us, less than a round trip takes

    async with connected(limit.server) as server:
        first = await claimed(server, Claim(fast, 10))
        second = await claimed(server, Claim(fast, 10))

    assert first == second == [Grant(10, 1)]


async def test_nodes_are_counted_on_the_server_and_for_each_limit(redis, limit):
    async with connected(redis.url, "a") as one, connected(redis.url, "b") as two:
        await one.exchange([Claim(limit, 1)])
        nodes, _ = await two.exchange([])
        _, (grant,) = await two.exchange([Claim(limit, 1)])

    assert (nodes, grant.users) == (2, 2)


async def test_the_password_is_that_of_the_file_and_a_wrong_one_is_told(tmp_path):
    file = tmp_path / "password"
    with Redis(PASSWORD) as redis:
        async with connected(redis.url) as server:
            with pytest.raises(ServerGone, match="Authentication required"):
                await server.exchange([])
        async with connected(redis.url, password_file=file) as server:
            with pytest.raises(ServerGone, match="No such file"):
                await server.exchange([])
            file.write_text(PASSWORD + "\n")
            nodes, _ = await server.exchange([])

    assert nodes == 1


async def test_a_server_that_is_gone_hangs_or_comes_back_is_told_as_it_is(limit):
    with Redis() as redis:
        async with connected(redis.url) as server:
            await server.exchange([])
            redis.freeze()
            with pytest.raises(ServerGone, match="Timeout"):
                await server.exchange([])
            redis.thaw()
            await server.exchange([])
            redis.kill()
            with pytest.raises(ServerGone):
                await server.exchange([])
            redis.start()
            assert await server.exchange([]) == (1, [])
