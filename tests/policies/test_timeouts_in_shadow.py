"""`timeouts` in shadow mode: nothing ends, and what would have ended is counted by its limit."""

import pytest

from nodeproxy.policies.overruns import Watch
from tests.fakes.exchanges import STARTED, Pieces, exchange

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
UPLOAD = b"PUT / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 3\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
ALL = {
    "responseHead": "2s", "request": "5s", "backendRequest": "1s", "idle": "4s", "connect": "1s", "mode": "shadow"
}  # fmt: skip


async def answered(world, request=GET, head_s=0.0, body_s=0.0, body=b"", written=None):
    """The outcomes of an exchange whose head takes `head_s`, behind the request's body, and its own body `body_s`."""
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"timeouts": written or ALL})
    client = await world.client()
    await client.send(request)
    server = await endpoint.accept()
    await server.head()
    if body:
        world.advance(3)
        await world.settle()
        await client.send(body)
        await server.until(body)
    world.advance(head_s)
    await world.settle()
    await server.send(HEAD)
    await client.head()
    world.advance(body_s)
    await world.settle()
    await server.send(b"ok")
    await client.until(b"ok")
    await world.settle()
    return [outcome for _, outcome, mode in world.route.stats.decisions if mode == "shadow"]


@pytest.mark.parametrize(
    ("head_s", "body_s", "outcomes"),
    [
        (0.9, 0, []),
        (1.1, 0, ["backend-request"]),
        (2.1, 0, ["backend-request", "response-head"]),
        (0.9, 3.9, []),
        (0.9, 4.05, ["idle"]),
        (1.5, 3.6, ["backend-request", "request"]),
        (6, 6, ["backend-request", "response-head", "request", "idle"]),
    ],
)
async def test_what_would_have_exceeded_a_limit_is_answered_and_counted(world, head_s, body_s, outcomes):
    assert await answered(world, head_s=head_s, body_s=body_s) == outcomes


async def test_the_time_of_a_streamed_body_is_the_clients(world):
    assert await answered(world, UPLOAD, head_s=0.9, body_s=3.5, body=b"abc") == []


def test_the_time_of_a_request_counts_from_the_first_time_that_its_body_was_sent():
    one = exchange(body=Pieces(b"slow"))
    watch = Watch(one.scope, STARTED, streamed=True)

    watch.body_sent(STARTED + 5)
    watch.body_sent(STARTED + 9)  # a second try, whose body was kept

    assert watch.since == STARTED + 5


async def test_the_access_log_names_them(world):
    seen = []

    class Seen:
        attempt_ended = staticmethod(lambda _attempt: None)
        exchange_ended = staticmethod(lambda exchange, *_: seen.append(exchange.shadowed))

    world.reopen(observer=Seen)
    await answered(world, head_s=3)

    assert seen == [("timeouts:backend-request", "timeouts:response-head")]


async def test_a_failure_is_measured_too(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"timeouts": ALL, "retries": {"attempts": 0}})
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    world.advance(3)
    await world.settle()
    server.reset()

    assert (await client.head()).startswith(b"HTTP/1.1 502 ")
    assert [outcome for _, outcome, _ in world.route.stats.decisions] == ["backend-request", "response-head"]
