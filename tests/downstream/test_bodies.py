"""Bodies on their way, in every framing."""

GET = b"GET /a?b=c HTTP/1.1\r\nHost: web.shop.mesh\r\nX-One: 1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


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

    assert seen.startswith(b"GET / HTTP/1.1\r\n")
    assert answer.endswith(b"Connection: close\r\n\r\nhi")


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
