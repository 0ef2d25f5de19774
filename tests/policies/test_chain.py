"""The order of policies: what each has around it and inside of it, as `chain.CHAIN` gives its reasons."""

from tests.fakes.hedged import HEDGED, Mesh, answer
from tests.fakes.mirrored import NEXT, OK, Mirrored

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\nOrigin: https://shop.example\r\n\r\n"
PREFLIGHT = GET.replace(b"GET", b"OPTIONS")[:-2] + b"Access-Control-Request-Method: PUT\r\n\r\n"
CORS = {"cors": {"allowOrigins": ["https://shop.example"]}}
FAULT = {"fault": {"abort": {"httpStatus": 555, "percentage": 100}}}
ONE_PLACE = {"fairness": {"maxRequests": 1}, "connectionPool": {"maxConnections": 100}}


async def answered(world, policies, *requests):
    """The heads of what a client gets, whose service nobody answers for."""
    world.serve(world.endpoint(), policies=policies)
    client, heads = await world.client(), []
    for request in requests:
        await client.send(request)
        heads.append(await client.head())
    return heads


async def test_what_cors_answers_has_a_line_in_the_access_log(world):
    (head,) = await answered(world, {**CORS, "accessLog": {"mode": "shadow"}}, PREFLIGHT)

    assert head.startswith(b"HTTP/1.1 204 ")
    assert world.route.stats.decisions["accessLog", "logged", "shadow"] == 1


async def test_a_page_can_read_a_fault(world):
    (head,) = await answered(world, {**CORS, **FAULT}, GET)

    assert head.startswith(b"HTTP/1.1 555 ") and b"access-control-allow-origin: https://shop.example" in head.lower()


async def test_a_fault_is_what_callers_see_and_no_fallback(world):
    fallback = {"fallback": {"on": ["5xx"], "response": {"status": 200, "body": "[]"}}}
    (head,) = await answered(world, {**FAULT, **fallback}, GET)

    assert head.startswith(b"HTTP/1.1 555 ") and b"x-mesh-fallback" not in head


async def test_a_body_that_is_too_large_takes_a_token_like_every_other(world):
    limits = {"rateLimit": {"requestsPerSecond": 0.001, "burst": 1}, "maxRequestBody": {"limit": 1}}
    world.serve(world.endpoint(), policies=limits)
    statuses = []
    for _ in range(2):
        client = await world.client()
        await client.send(b"PUT / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 9\r\n\r\n")
        statuses.append((await client.head())[9:12])

    assert statuses == [b"413", b"429"]


async def test_the_wait_for_a_place_is_bounded_by_the_timeouts(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={**ONE_PLACE, "timeouts": {"request": "5s", "idle": 0}})
    slow, waiting = await world.client(), await world.client()
    await slow.send(b"PUT / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 9\r\n\r\n")  # whose time has not begun
    await world.settle()
    await waiting.send(GET)
    await world.settle()

    world.advance(5.1)

    assert (await waiting.head()).startswith(b"HTTP/1.1 504 ")
    assert world.route.stats.decisions["fairness", "queued", "enforce"] == 1


async def test_a_request_is_copied_when_it_has_its_place(world):
    mesh = Mirrored(world, {**NEXT, **ONE_PLACE})
    first, second = await world.client(), await world.client()
    for client in (first, second):
        await client.send(GET)
        await world.settle()
    server = await mesh.web.accept()
    await server.head()

    assert mesh.under_way() == 1

    await server.send(OK)
    await world.settle()
    assert mesh.under_way() == 2


async def test_a_response_with_large_headers_is_a_failure_which_a_hedge_makes_up_for(world):
    mesh = Mesh(world, {**HEDGED, "maxResponseHeaders": {"limit": 256}})
    client = await mesh.ask()
    assert await mesh.late() == 2
    first, second = mesh.arrived

    await first.send(b"HTTP/1.1 200 OK\r\nA: %b\r\nContent-Length: 0\r\n\r\n" % (b"x" * 300))
    await world.settle()
    await second.send(answer(b"hello"))

    assert (await client.until(b"hello")).startswith(b"HTTP/1.1 200 ")


async def test_a_request_that_is_sent_again_is_copied_once(world):
    mesh, client = Mirrored(world, {**NEXT, "retries": {"retryOn": ["5xx"]}}), await world.client()
    await client.send(GET)
    for response in (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", OK):
        server = await mesh.web.accept()
        await server.head()
        await server.send(response)

    assert (await client.until(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200 ")
    await world.settle()
    assert mesh.under_way() == 1
