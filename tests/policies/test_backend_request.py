"""The limit on one attempt: `timeouts.backendRequest`, and `retries.perTryTimeout` alike."""

import pytest

from nodeproxy.policies.table import PolicyRefused, settings_of

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
UPLOAD = b"PUT / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 6\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BACKEND = {"timeouts": {"backendRequest": "2s"}}
PER_TRY = {"retries": {"perTryTimeout": "2s"}}


async def asked(world, request, policies, endpoints=1):
    """A client that has sent `request`, and the connection where it has arrived."""
    served = [world.endpoint() for _ in range(endpoints)]
    world.serve(*served, policies=policies)
    client = await world.client()
    await client.send(request)
    while True:
        await world.reactor.rest()
        for endpoint in served:
            if (server := endpoint.waiting()) is not None:
                await server.head()
                return client, server, [other for other in served if other is not endpoint]


@pytest.mark.parametrize(
    ("policies", "policy", "outcome"),
    [(BACKEND, "timeouts", "backend-request"), (PER_TRY, "retries", "per-try-timeout")],
)
async def test_an_attempt_without_a_response_head_in_its_time_is_a_504(world, policies, policy, outcome):
    client, _, _ = await asked(world, GET, policies)

    world.advance(2.1)
    head = await client.head()

    assert head.startswith(b"HTTP/1.1 504 ") and b"x-mesh-error: attempt-timeout\r\n" in head
    assert world.route.stats.decisions[policy, outcome, "enforce"] == 1


async def test_the_limit_ends_with_the_head_although_nothing_more_of_the_response_comes_in_it(world):
    client, server, _ = await asked(world, GET, {"timeouts": {"backendRequest": "2s", "request": 0, "idle": 0}})
    world.advance(1.9)
    await world.settle()
    await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    await client.head()

    world.advance(60)
    await world.settle()
    await server.send(b"ok")

    assert await client.exactly(2) == b"ok"


async def test_an_attempt_that_took_too_long_is_sent_to_another_endpoint(world):
    policies = {**BACKEND, "retries": {"retryOn": ["timeout"]}}
    client, _, (other,) = await asked(world, GET, policies, endpoints=2)

    world.advance(2.1)
    server = await other.accept()
    await server.head()
    await server.send(OK)

    assert (await client.head()).startswith(b"HTTP/1.1 200 ")


async def test_the_limit_ends_with_the_head(world):
    client, server, _ = await asked(world, GET, BACKEND)
    await server.send(OK[:-2])
    await client.head()

    world.advance(100)
    await world.settle()
    await server.send(b"ok")

    assert await client.until(b"ok") == b"ok"


@pytest.mark.parametrize("policies", [BACKEND, PER_TRY])
async def test_the_client_may_take_its_time_for_a_body_and_the_endpoint_may_not(world, policies):
    client, server, _ = await asked(world, UPLOAD, policies)
    for piece in (b"abc", b"def"):
        world.advance(30)
        await world.settle()
        await client.send(piece)
        await server.until(piece)

    world.advance(1.9)
    await world.settle()
    assert not client.channel.readable
    world.advance(0.2)

    assert b"x-mesh-error: attempt-timeout\r\n" in await client.head()


async def test_a_streamed_body_that_was_kept_is_sent_again_and_each_attempt_has_its_own_time(world):
    policies = {**BACKEND, "retries": {"retryOn": ["timeout"], "attempts": 1}}
    client, server, (other,) = await asked(world, UPLOAD, policies, endpoints=2)
    await client.send(b"abcdef")
    await server.until(b"abcdef")

    world.advance(2.1)
    second = await other.accept()
    await second.until(b"abcdef")
    world.advance(1.5)
    await world.settle()
    await second.send(OK)

    assert (await client.head()).startswith(b"HTTP/1.1 200 ")


async def test_the_requests_own_limit_is_no_attempts(world):
    client, _, _ = await asked(world, GET, {"timeouts": {"request": "2s", "backendRequest": "2s"}})

    world.advance(2.1)
    head = await client.head()

    assert b"x-mesh-error: timeout\r\n" in head
    assert world.route.stats.decisions == {("timeouts", "request", "enforce"): 1}


def test_an_attempt_cannot_outlast_its_request():
    with pytest.raises(PolicyRefused, match="timeouts: backendRequest is longer than request"):
        settings_of({"timeouts": {"request": "2s", "backendRequest": "3s"}})

    assert settings_of({"timeouts": {"request": 0, "backendRequest": "3s"}})
    assert settings_of({"timeouts": {"request": "3s", "backendRequest": "3s"}})


@pytest.mark.parametrize(
    ("written", "outcome", "told"),
    [
        ({"responseHead": "2s"}, "response-head", b"no response head; timeouts.responseHead of the service is 2 s"),
        ({"request": "2s"}, "request", b"no response head; timeouts.request of the service is 2 s"),
        ({"idle": "2s"}, "idle", b"no byte has moved; timeouts.idle of the service is 2 s"),
    ],
)
async def test_the_client_reads_which_limit_has_passed(world, written, outcome, told):
    client, _, _ = await asked(world, GET, {"timeouts": written})

    world.advance(2.1)
    await client.head()
    text = await client.until(b"\n")

    assert told in text and b", last asked: 127.0.0.1:" in text
    assert world.route.stats.decisions == {("timeouts", outcome, "enforce"): 1}
