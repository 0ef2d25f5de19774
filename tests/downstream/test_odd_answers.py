"""Answers of endpoints that are odd and mean one thing only: they arrive, as they do through other proxies."""

import pytest

GET = b"GET /a HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def asked(world, request=GET, **policies):
    endpoint = world.endpoint()
    world.serve(endpoint, policies=policies)
    client = await world.client()
    await client.send(request)
    server = await endpoint.accept()
    await server.head()
    return endpoint, client, server


async def test_a_204_that_announces_a_body_goes_on_without_it_and_its_connection_is_closed(world):
    endpoint, client, server = await asked(world)

    await server.send(b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\nX-One: 1\r\n\r\n")
    head = await client.head()
    await client.send(GET)
    again = await endpoint.accept()
    await again.head()
    await again.send(OK)

    assert head.startswith(b"HTTP/1.1 204 ") and b"X-One: 1\r\n" in head and b"Content-Length" not in head
    assert await server.rest() == b""
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("announced", [b"", b"Content-Length: 0\r\n"])
async def test_a_204_without_a_body_keeps_its_connection(world, announced):
    endpoint, client, server = await asked(world)

    await server.send(b"HTTP/1.1 204 No Content\r\n%b\r\n" % announced)
    head = await client.head()
    await client.send(GET)
    await server.head()

    assert b"Content-Length" not in head
    assert endpoint.nobody_came()


async def test_what_a_204_sends_behind_its_head_reaches_nobody(world):
    endpoint, client, server = await asked(world)

    await server.send(b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n")
    head = await client.head()
    await client.send(GET)
    again = await endpoint.accept()
    await again.head()
    await again.send(OK)

    assert b"Transfer-Encoding" not in head
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")


async def test_an_interim_answer_goes_on_without_a_length(world):
    _, client, server = await asked(world)

    await server.send(b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\nLink: </a>\r\n\r\n" + OK)

    assert await client.head() == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")


async def test_a_304_says_how_long_the_body_is_that_it_does_not_send(world):
    endpoint, client, server = await asked(world)

    await server.send(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9000\r\n\r\n")
    head = await client.head()
    await client.send(GET)
    await server.head()

    assert b"Content-Length: 9000\r\n" in head
    assert endpoint.nobody_came()


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Legacy : yes\r\n\r\nok", b"X-Legacy: yes\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length \t : 2\r\n\r\nok", b"Content-Length: 2\r\n"),
        (b"HTTP/1.1 799 Odd\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 799 Odd\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0002  \r\nok\r\n0 \r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
    ],
)
async def test_blanks_and_numbers_that_mean_one_thing_only_arrive(world, answer, seen):
    _, client, server = await asked(world)

    await server.send(answer)
    head = await client.head()
    body = await client.until(b"ok")

    assert seen in head
    assert body in (b"ok", b"2\r\nok")


async def test_blanks_behind_a_chunk_size_of_a_request_are_refused(world):
    _, client, server = await asked(
        world, b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    await client.send(b"0002  \r\nok\r\n0\r\n\r\n")

    assert (await client.head()).startswith(b"HTTP/1.1 400 ")
    assert b"ok" not in await server.rest()


async def test_what_is_no_response_is_not_sent_again(world):
    endpoint, client, server = await asked(world, retries={"attempts": 2, "retryOn": ["reset", "connect-failure"]})

    await server.send(b"SSH-2.0")

    assert b"x-mesh-error: bad-response\r\n" in await client.head()
    assert endpoint.nobody_came()


async def test_nothing_is_sent_again_after_the_first_byte_of_a_response(world):
    endpoint, client, server = await asked(world, retries={"attempts": 2, "retryOn": ["reset", "timeout"]})

    await server.send(b"H")
    await world.settle()
    server.close()

    assert b"x-mesh-error: connection-lost\r\n" in await client.head()
    assert endpoint.nobody_came()


async def test_a_head_that_is_late_behind_its_first_byte_is_not_asked_for_again(world):
    policy = {"attempts": 2, "retryOn": ["timeout"], "perTryTimeout": "1s"}
    endpoint, client, server = await asked(world, retries=policy)

    await server.send(b"HTTP/1.1 200 OK\r\n")
    await world.settle()
    world.advance(2)

    assert (await client.head()).startswith(b"HTTP/1.1 504 ")
    assert endpoint.nobody_came()


async def test_a_stream_of_events_outlives_the_time_for_its_head(world):
    _, client, server = await asked(world)
    await server.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    await client.head()

    for _ in range(4):
        world.advance(10)
        await server.send(b"3\r\ne\n\n\r\n")
        await client.until(b"e\n\n")
    await server.send(b"0\r\n\r\n")

    assert (await client.until(b"0\r\n\r\n")).endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("head", "end"),
    [(b"Content-Length: 4", b"lf"), (b"Transfer-Encoding: chunked", b"4\r\nhalf\r\n0\r\n\r\n")],
    ids=["sized", "chunked"],
)
async def test_what_comes_behind_a_streamed_body_is_of_no_answer_and_its_connection_is_closed(world, head, end):
    endpoint, client, server = await asked(world)

    await server.send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (head, b"ha" if end == b"lf" else b""))
    await client.head()
    await server.send(end + b"HTTP/1.1 200 evil\r\n")
    await world.settle()
    await client.send(GET)
    again = await endpoint.accept()
    await again.head()
    await again.send(OK)

    assert b"evil" not in await client.until(b"ok")
    assert await server.rest() == b""


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"])
async def test_a_connection_that_its_endpoint_will_close_carries_no_other_request(world, head):
    endpoint, client, server = await asked(world)

    await server.send(head + b"Content-Length: 2\r\n\r\nok")
    await client.until(b"ok")
    await client.send(GET)
    again = await endpoint.accept()

    assert (await again.head()).startswith(b"GET /a ")
    assert await server.rest() == b""


@pytest.mark.parametrize(
    "request_",
    [
        GET.replace(b"1.1\r\n", b"1.0\r\nConnection: keep-alive\r\n"),
        GET.replace(b"1.1\r\n", b"1.1\r\nConnection: close\r\n"),
    ],
    ids=["of HTTP/1.0", "that asks to close"],
)
async def test_an_answer_of_unknown_length_to_a_client_says_that_its_connection_closes(world, request_):
    _, client, server = await asked(world, request_)

    await server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    head, _, body = (await client.rest()).partition(b"\r\n\r\n")

    assert b"Connection: close" in head and b"keep-alive" not in head
    assert body == (b"ok" if b"1.0" in request_ else b"2\r\nok\r\n0\r\n\r\n")


async def test_a_streamed_answer_tells_an_http_1_0_client_that_its_connection_is_kept(world):
    request = GET.replace(b"1.1\r\n", b"1.0\r\nConnection: keep-alive\r\n")
    _, client, server = await asked(world, request)

    await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    head = await client.head()
    await server.send(b"ok")
    await client.until(b"ok")
    await client.send(request)

    assert b"\r\nConnection: keep-alive\r\n" in head
    assert (await server.head()).startswith(b"GET /a ")
