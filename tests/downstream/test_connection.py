"""The spine, with real sockets: what a client sends, what the endpoint sees, what comes back."""

GET = b"GET /a?b=c HTTP/1.1\r\nHost: web.shop.mesh\r\nX-One: 1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_a_request_reaches_the_endpoint_and_its_answer_comes_back(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    await client.send(GET)
    server = await endpoint.accept()
    seen = await server.head()
    await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: now\r\n\r\nok")
    head, body = await client.head(), await client.exactly(2)

    assert seen.startswith(b"GET /a?b=c HTTP/1.1\r\nHost: web.shop.mesh\r\nX-One: 1\r\n")
    assert b"X-Forwarded-For: 127.0.0.1\r\n" in seen
    assert b"Via:" not in seen and b"traceparent" not in seen
    assert head == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: now\r\nVia: 1.1 nodeproxy\r\n\r\n"
    assert body == b"ok"
    assert world.route.stats.requests == {(200, "", ("", "node"), "http1"): 1}


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


async def test_an_idle_connection_is_closed_without_a_word(world):
    client = await world.client()
    await world.settle()

    world.advance(3601)

    assert await client.rest() == b""


async def test_a_client_that_is_admitted_while_the_worker_drains_is_asked_to_close(world):
    world.serve()
    world.connections.drain()
    client = await world.client()

    await client.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n")

    assert b"\r\nConnection: close\r\n" in await client.rest()
    client.close()
    await world.settle()
    assert (world.stats.accepted, world.stats.connections) == (1, 0)


async def test_a_request_of_a_client_that_has_reset_its_connection_since_is_not_sent(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await world.settle()

    await client.send(GET)
    client.reset()
    await world.settle()

    assert endpoint.nobody_came() and not world.connections.open
    assert world.route.stats.requests == {(499, "client-gone", ("", "node"), "http1"): 1}


async def test_a_request_that_has_come_when_the_worker_hangs_up_is_answered(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await world.settle()
    world.connections.drain()

    await client.send(GET)
    world.connections.hang_up()
    await (await endpoint.accept()).send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    response = await client.head()
    assert response.startswith(b"HTTP/1.1 200 ") and b"\r\nConnection: close\r\n" in response


async def test_a_draining_worker_asks_the_client_to_close(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    server = await endpoint.accept()
    await server.head()

    world.connections.drain()
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


async def test_an_idle_client_that_is_hung_up_on_is_not_there_any_more(world):
    client = await world.client()
    await world.settle()

    for connection in list(world.connections.open):
        connection.hang_up()
    await world.settle()

    assert not world.connections.open
    assert await client.rest() == b""
    assert not world.bugs
