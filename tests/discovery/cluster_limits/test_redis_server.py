"""The bucket that a real server keeps."""

import socketserver
import threading
from contextlib import asynccontextmanager, contextmanager, suppress

import anyio
import pytest

from discovery.cluster_limits import redis_server
from discovery.cluster_limits.claims import Claim
from discovery.cluster_limits.redis_server import RedisServer
from discovery.cluster_limits.server import Grant, ServerGone
from discovery.cluster_limits.wanted import ClusterLimit
from nodeproxy.demo.threaded import serving
from tests.fakes.node import LIMIT_S
from tests.fakes.redis import Redis
from tests.fakes.tls import Authority

pytestmark = pytest.mark.anyio
PASSWORD = "only for this test"


@pytest.fixture(scope="module")
def redis():
    with Redis() as redis:
        yield redis


@pytest.fixture
def patient(monkeypatch):
    """Whoever answers does so in time, however busy the machine is."""
    monkeypatch.setattr(redis_server, "TIMEOUT_S", LIMIT_S)


@pytest.fixture
def limit(redis, request, patient):
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


@pytest.mark.usefixtures("patient")
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


async def test_a_server_that_is_gone_hangs_or_comes_back_is_told_as_it_is():
    with Redis() as redis:
        async with connected(redis.url) as server:
            await answered(server)
            redis.freeze()
            with pytest.raises(ServerGone, match="Timeout"):
                await server.exchange([])
            redis.thaw()
            await answered(server)
            redis.kill()
            with pytest.raises(ServerGone):
                await server.exchange([])
            redis.start()
            assert await answered(server) == (1, [])


async def answered(server):
    """What it answers, in time; on a busy machine that may be at another try."""
    with anyio.fail_after(LIMIT_S):
        while True:
            with suppress(ServerGone):
                return await server.exchange([])


@contextmanager
def answering(*replies, context=None):
    """The port of a server that answers set-up commands with OK and the first others with these, and is silent then."""
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            while data := self.request.recv(65536):
                if b"EVAL" in data:
                    self.request.sendall(b"".join(replies))
                    over.wait(LIMIT_S)
                    return
                self.request.sendall(b"+OK\r\n" * data.count(b"*"))

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server) as port:
        yield port
        over.set()


@pytest.mark.parametrize(
    "reply",
    [b"*0\r\n", b"$-1\r\n", b":7\r\n", b"+OK\r\n", b"*1\r\n:7\r\n", b"*2\r\n:7\r\n*0\r\n", b"*2\r\n$3\r\nnan\r\n:7\r\n",
     b"*2\r\n$3\r\ninf\r\n:7\r\n", b":1" + b"0" * 400 + b"\r\n", b"*1\r\n" * 2000 + b":7\r\n", b"?\r\n"],
)  # fmt: skip
async def test_a_server_that_answers_anything_else_is_gone(reply):
    with answering(b":1\r\n", reply) as port:
        async with connected(f"redis://127.0.0.1:{port}/0") as server:
            with pytest.raises(ServerGone):
                await server.exchange([Claim(ClusterLimit("shop/web:80", "", 1.0, 1.0), 1)])


@pytest.mark.parametrize("reply", [b"*0\r\n", b"$1\r\nx\r\n", b"$3\r\nnan\r\n"])
async def test_a_server_that_counts_no_nodes_is_gone(reply):
    with answering(reply) as port:
        async with connected(f"redis://127.0.0.1:{port}/0") as server:
            with pytest.raises(ServerGone):
                await server.exchange([])


async def test_a_server_that_does_not_end_its_side_of_tls_is_left_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(redis_server, "TIMEOUT_S", 2.0)  # a busy machine takes its time for a handshake
    authority = Authority(tmp_path, "limits.example")

    with answering(b":1\r\n", context=authority.server) as port:
        server = RedisServer(f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=none&ssl_check_hostname=false", "a")
        assert await server.exchange([]) == (1, [])

        await server.close()
