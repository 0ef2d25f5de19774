"""The spine, with real sockets: what a client sends, what the endpoint sees, what comes back."""

import re

import pytest

GET = b"GET /a?b=c HTTP/1.1\r\nHost: web.shop.mesh\r\nX-One: 1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_a_request_reaches_the_endpoint_and_its_answer_comes_back(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    await client.send(GET)
    server = await endpoint.accept()
    seen = await server.head()
    await server.send(OK)
    head, body = await client.head(), await client.exactly(2)

    assert seen.startswith(b"GET /a?b=c HTTP/1.1\r\nHost: web.shop.mesh\r\nX-One: 1\r\n")
    assert b"X-Forwarded-For: 127.0.0.1\r\n" in seen
    assert b"Via: 1.1 nodeproxy\r\n" in seen
    assert re.search(rb"traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00\r\n", seen)
    assert head == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nVia: 1.1 nodeproxy\r\n\r\n"
    assert body == b"ok"
    assert world.route.stats.requests == {(200, ""): 1}


async def test_both_connections_are_used_again(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    for _ in range(3):
        await server.head()
        await server.send(OK)
        await client.until(b"ok")

        await client.send(GET)

    await server.head()
    assert endpoint.nobody_came()


async def test_pipelined_requests_are_answered_in_order(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    await client.send(GET.replace(b"/a", b"/1") + GET.replace(b"/a", b"/2"))
    server = await endpoint.accept()
    first = await server.head()
    await server.send(OK)
    second = await server.head()
    await server.send(OK.replace(b"ok", b"no"))

    assert first.startswith(b"GET /1") and second.startswith(b"GET /2")
    assert (await client.until(b"ok")) and (await client.until(b"no"))


async def test_an_unknown_service_is_told_and_the_connection_goes_on(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    await client.send(GET.replace(b"web", b"nope"))
    head = await client.head()
    await client.until(b"\n")
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()
    await server.send(OK)

    assert head.startswith(b"HTTP/1.1 404 ") and b"x-mesh-error: unknown-service\r\n" in head
    assert (await client.head()).startswith(b"HTTP/1.1 200")


async def test_a_service_without_endpoints_answers_503(world):
    world.serve()
    client = await world.client()

    await client.send(GET)

    head = await client.head()
    assert head.startswith(b"HTTP/1.1 503 ") and b"x-mesh-error: no-endpoints\r\n" in head


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\n", 505),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200, 431),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ],
)
async def test_what_is_no_request_is_refused_and_nothing_forwarded(world, sent, status):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    await client.send(sent)
    answer = await client.rest()

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close\r\n" in answer and b"x-mesh-error: " in answer
    assert endpoint.nobody_came()


async def test_a_head_that_drips_is_answered_408(world):
    client = await world.client()
    for byte in b"GET /":
        await client.send(bytes([byte]))
        await world.settle()
        world.advance(2.5)

    answer = await client.rest()

    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_an_idle_connection_is_closed_without_a_word(world):
    client = await world.client()
    await world.settle()

    world.advance(3601)

    assert await client.rest() == b""


async def test_a_chunked_body_is_streamed_and_reframed_both_ways(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    await client.send(b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nTransfer-Encoding: chunked\r\n\r\n")
    server = await endpoint.accept()
    head = await server.head()
    await client.send(b"3;ext=1\r\nabc\r\n")
    first = await server.until(b"abc\r\n")
    await client.send(b"0\r\nX-Sum: 9\r\n\r\n")
    last = await server.until(b"\r\n\r\n")
    await server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-End: 1\r\n\r\n")
    answer = await client.until(b"X-End: 1\r\n\r\n")

    assert b"Transfer-Encoding: chunked\r\n" in head
    assert first == b"3\r\nabc\r\n" and last == b"0\r\nX-Sum: 9\r\n\r\n"
    assert answer.endswith(b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-End: 1\r\n\r\n")


async def test_a_broken_chunk_ends_both_sides_and_is_no_second_request(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    await client.send(b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + GET)
    server = await endpoint.accept()
    seen = await server.rest()
    answer = await client.rest()

    assert seen.count(b"HTTP/1.1\r\n") == 1 and not seen.endswith(b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1


async def test_a_long_body_waits_for_its_reader(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()
    size = 30_000_000
    sender = world.reactor.spawn(server.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)))

    await world.settle(300)
    stuck = not sender.ended
    await client.head()
    body = await client.exactly(size)

    assert stuck, "somebody between holds 30 MB"
    assert body == bytes(size)


async def test_an_until_close_answer_becomes_chunked_and_the_client_stays(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    await server.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
    server.close()
    answer = await client.until(b"0\r\n\r\n")
    await client.send(GET)
    again = await endpoint.accept()
    await again.head()

    assert b"Transfer-Encoding: chunked\r\n" in answer and b"5\r\nhello\r\n" in answer


async def test_an_http_1_0_client_gets_no_chunks(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(b"GET / HTTP/1.0\r\nHost: web.shop.mesh\r\n\r\n")
    server = await endpoint.accept()
    seen = await server.head()

    await server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    answer = await client.rest()

    assert seen.startswith(b"GET / HTTP/1.1\r\n") and b"Via: 1.0 nodeproxy\r\n" in seen
    assert answer.endswith(b"Connection: close\r\n\r\nhi")


@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_a_reused_connection_that_closed_is_replaced_if_the_method_allows(world, method):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"retries": {"attempts": 0}})
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()
    await server.send(OK)
    await client.until(b"ok")

    await client.send(GET.replace(b"GET", method))
    await server.head()
    server.close()
    if method == b"GET":
        again = await endpoint.accept()
        await again.head()
        await again.send(OK)

    head = await client.head()
    assert head.startswith(b"HTTP/1.1 200 " if method == b"GET" else b"HTTP/1.1 502 ")
    assert endpoint.nobody_came()


async def test_surplus_bytes_reach_nobody_and_their_connection_is_not_used_again(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    await server.send(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    await client.until(b"ok")
    await client.send(GET)
    again = await endpoint.accept()
    await again.head()
    await again.send(OK)

    assert b"evil" not in await client.until(b"ok")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 1\n\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
async def test_a_doubtful_answer_becomes_502(world, answer):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    await server.send(answer)
    head = await client.head()

    assert head.startswith(b"HTTP/1.1 502 ") and b"x-mesh-error: bad-response\r\n" in head
    assert await server.rest() == b""


async def test_interim_answers_are_passed_on(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    await client.send(b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    server = await endpoint.accept()
    seen = await server.head()
    await server.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    interim = await client.head()
    await client.send(b"hi")
    await server.exactly(2)
    await server.send(OK)

    assert b"Expect: 100-continue\r\n" in seen and interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await client.head()).startswith(b"HTTP/1.1 200")


async def test_an_early_answer_closes_the_client_whose_body_is_unread(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 1000\r\n\r\nabc")
    server = await endpoint.accept()
    await server.head()

    await server.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    answer = await client.head()
    await client.send(GET)

    assert answer.startswith(b"HTTP/1.1 413") and b"Connection: close\r\n" in answer
    assert await client.rest() == b""
    assert endpoint.nobody_came()


async def test_a_client_that_half_closes_still_gets_its_answer(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    client.channel.half_close()
    server = await endpoint.accept()
    await server.head()
    await world.settle()

    await server.send(OK)

    assert (await client.rest()).endswith(b"ok")


async def test_a_client_that_resets_ends_the_endpoints_work(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    client.reset()

    assert await server.rest() == b""
    assert world.route.stats.requests == {(499, "client-gone"): 1}


async def test_a_request_that_takes_too_long_is_answered_504(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"timeouts": {"request": "2s"}})
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    world.advance(2.1)

    assert (await client.head()).startswith(b"HTTP/1.1 504 ")
    assert await server.rest() == b""


async def test_a_broken_off_answer_is_seen_as_broken_off(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    server.close()

    assert (await client.rest()).endswith(b"half")
    assert world.route.stats.requests == {(502, "connection-lost"): 1}


async def test_a_refused_connect_goes_to_the_next_endpoint_even_for_a_post(world):
    dead, alive = world.endpoint(), world.endpoint()
    world.serve(dead, alive, policies={"loadBalancer": {"simple": "ROUND_ROBIN"}, "retries": {"attempts": 0}})
    dead.stop()
    client = await world.client()
    for _ in range(4):
        await client.send(GET.replace(b"GET", b"POST"))
        if "server" not in locals():
            server = await alive.accept()
        await server.head()
        await server.send(OK)

        assert (await client.head()).startswith(b"HTTP/1.1 200 ")
        await client.until(b"ok")

    assert world.roster.ejections(world.route.name) == 1


async def test_a_flaky_endpoint_costs_no_request_when_retries_allow_it(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"retries": {"attempts": 2, "retryOn": ["gateway-error"]}})
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    await server.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    await server.head()
    await server.send(OK)

    assert (await client.head()).startswith(b"HTTP/1.1 200 ")
    assert world.route.stats.retries == 1


async def test_idle_connections_close_when_their_endpoint_leaves(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()
    await server.send(OK)
    await client.until(b"ok")

    world.serve()

    assert await server.rest() == b""


async def test_a_draining_worker_asks_the_client_to_close(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    world.draining = True
    await server.send(OK)

    answer = await client.rest()
    assert b"Connection: close\r\n" in answer and answer.endswith(b"ok")


async def test_a_bug_in_a_handler_ends_one_connection_and_is_counted(world):
    async def broken(_exchange):
        raise ZeroDivisionError

    world.expected_bugs = 1
    world.serve()
    object.__setattr__(world.route, "handler", broken)
    client, other = await world.client(), await world.client()

    await client.send(GET)
    ended = await client.rest()
    await other.send(GET.replace(b"web", b"nope"))

    assert ended == b"" and world.stats.bugs == 1
    assert (await other.head()).startswith(b"HTTP/1.1 404 ")
