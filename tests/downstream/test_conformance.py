"""What RFC 9110 and 9112 ask of an intermediary, as both sides of it see it; docs/conformance.md says what is where."""

import random
import re

import pytest

from nodeproxy import errors
from nodeproxy.balance.choice import by_chance
from nodeproxy.balance.plan import Plan
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.protocol.forwarded import NO_VIA, VIA, Adder
from nodeproxy.upstream.cluster import Cluster, ClusterContext

HOST = b"Host: web.shop.mesh\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
DATE = re.compile(rb"\r\nDate: (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n")

REQUEST_FIELDS = (
    b"Authorization: Basic eDp5\r\nProxy-Authorization: Basic eDp5\r\nReferer: http://a/?b#c\r\nCookie: a=b; c=d\r\n"
    b"Cache-Control: no-store, max-stale=5,  only-if-cached\r\nPragma: no-cache\r\nIf-Match: \"a\"\r\n"
    b"If-None-Match: W/\"b\"\r\nIf-Modified-Since: 0\r\nIf-Unmodified-Since: 0\r\nIf-Range: \"a\"\r\n"
    b"Range: bytes=0-1\r\nAccept-Encoding: gzip;q=1.0, *;q=0\r\nTrailer: X-Sum\r\nVia: 1.1 edge\r\n"
    b"X-Unknown: 1\r\nX-Other: 2\r\nx-unknown: \xff  3 \r\nWarning: 199 - \"a\"\r\nMax-Forwards: 0\r\n"
)  # fmt: skip
RESPONSE_FIELDS = (
    b"Date: Sunday, 06-Nov-94 08:49:37 GMT\r\nServer: a (b)\r\nWWW-Authenticate: Basic realm=\"a\"\r\n"
    b"Proxy-Authenticate: Basic realm=\"b\"\r\nSet-Cookie: a=b, c\r\nSet-Cookie: d=e\r\nAllow: GET, ODD\r\n"
    b"Cache-Control: no-transform, private=\"x\"\r\nAge: 7\r\nExpires: 0\r\nWarning: 110 - \"stale\"\r\n"
    b"ETag: W/\"b\"\r\nLast-Modified: 0\r\nVary: *\r\nContent-Encoding: gzip\r\nContent-Range: odd 1-2/3\r\n"
    b"Location: http://a/#b\r\nX-Unknown: 1\r\nX-Other: 2\r\nx-unknown: \xff  3 \r\nTrailer: X-Sum\r\n"
)  # fmt: skip


async def asked(world, request):
    """Both ends, and the head that the endpoint received."""
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"retries": {"attempts": 0}})
    client = await world.client()
    await client.send(request)
    server = await endpoint.accept()
    return client, server, await server.head()


@pytest.mark.parametrize(
    "status", [b"200 OK", b"304 Not Modified", b"206 Partial Content", b"401 x", b"405 x", b"299 Odd"]
)
async def test_what_is_said_to_the_other_end_goes_on_byte_for_byte(world, status):
    client, server, seen = await asked(world, b"ODD /a?b HTTP/1.1\r\n" + HOST + REQUEST_FIELDS + b"\r\n")

    await server.send(b"HTTP/1.1 " + status + b"\r\n" + RESPONSE_FIELDS + b"Content-Length: 0\r\n\r\n")

    assert seen.startswith(b"ODD /a?b HTTP/1.1\r\n" + HOST + REQUEST_FIELDS)
    assert (await client.head()).startswith(b"HTTP/1.1 " + status + b"\r\n" + RESPONSE_FIELDS)


async def test_content_is_not_transformed(world):
    client, server, _ = await asked(world, GET + b"Accept-Encoding: identity\r\n\r\n")
    content = bytes(range(256))

    await server.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 256\r\n\r\n" + content)

    assert b"Content-Encoding: gzip\r\nContent-Length: 256\r\n" in await client.head()
    assert await client.exactly(256) == content


async def test_a_nominated_field_is_cut_out_of_the_trailers_too(world):
    chunked = b"Transfer-Encoding: chunked\r\nConnection: x-hop\r\n\r\n"
    body = b"1\r\na\r\n0\r\nX-Sum: 1\r\nX-Hop: 1\r\nx-hop: 2\r\nX-Hopper: 1\r\n\r\n"
    client, server, _ = await asked(world, b"POST / HTTP/1.1\r\n" + HOST + chunked + body)

    received = await server.until(b"\r\n\r\n")
    await server.send(b"HTTP/1.1 200 OK\r\n" + chunked + body)
    answer = await client.until(b"X-Hopper: 1\r\n\r\n")

    assert received == b"1\r\na\r\n0\r\nX-Sum: 1\r\nX-Hopper: 1\r\n\r\n"
    assert answer.endswith(b"\r\n\r\n" + received)


async def test_an_answer_without_a_date_gets_one(world):
    client, server, _ = await asked(world, GET + b"\r\n")

    await server.send(OK)

    head = await client.head()
    assert len(DATE.findall(head)) == head.lower().count(b"date:") == 1


async def test_via_names_each_hop_with_the_version_it_received_where_it_is_asked_for(world):
    world.reopen(adder=Adder(random.Random(1), 0.0, VIA))
    client, server, seen = await asked(world, b"GET / HTTP/1.0\r\nVia: 1.1 edge\r\n" + HOST + b"\r\n")

    await server.send(b"HTTP/1.0 200 OK\r\nVia: 1.1 cache\r\nContent-Length: 0\r\n\r\n")

    answer = await client.rest()
    assert re.findall(rb"\r\nVia: ([^\r]*)", seen) == [b"1.1 edge", b"1.0 nodeproxy"]
    assert re.findall(rb"\r\nVia: ([^\r]*)", answer) == [b"1.1 cache", b"1.0 nodeproxy"]


async def test_via_is_left_out_where_it_is_not_asked_for(world):
    world.reopen(via=NO_VIA)
    client, server, seen = await asked(world, GET + b"\r\n")

    await server.send(OK)

    assert b"Via:" not in seen + await client.head()


async def test_what_the_mesh_says_itself_came_by_nobody(world):
    world.serve()
    client = await world.client()

    await client.send(GET + b"\r\n")

    assert b"Via:" not in await client.head()


async def test_interim_answers_reach_http_1_1_in_order_and_http_1_0_never(world):
    heard = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    sent = heard.replace(b"Link:", b"Connection: x\r\nX: 1\r\nTransfer-Encoding: chunked\r\nLink:")
    for line, interims in ((b"GET / HTTP/1.1\r\n", heard), (b"GET / HTTP/1.0\r\n", b"")):
        client, server, _ = await asked(world, line + HOST + b"\r\n")

        await server.send(sent + OK)

        assert (await client.until(b"ok")).startswith(interims + b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(("line", "status"), [(b"OPTIONS * HTTP/1.1\r\n", b"200"), (b"TRACE / HTTP/1.1\r\n", b"501")])
async def test_a_request_whose_forwards_are_used_up_is_answered_here(world, line, status):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()

    await client.send(line + HOST + b"Max-Forwards: 0\r\n\r\n")

    assert (await client.rest()).startswith(b"HTTP/1.1 %b " % status)
    assert endpoint.nobody_came()


@pytest.mark.parametrize("method", [b"OPTIONS", b"TRACE"])
async def test_a_request_with_forwards_left_goes_on_with_one_less(world, method):
    _client, _server, seen = await asked(world, method + b" / HTTP/1.1\r\n" + HOST + b"Max-Forwards: 1\r\n\r\n")

    assert seen.startswith(method + b" / HTTP/1.1\r\n") and re.findall(rb"(?i)max-forwards:.*\r\n", seen) == [
        b"Max-Forwards: 0\r\n"
    ]


async def test_nothing_is_read_behind_a_request_that_closes(world):
    client, server, _ = await asked(world, GET + b"Connection: close\r\n\r\n" + GET + b"\r\n")

    await server.send(OK)
    answer = await client.rest()

    assert b"Connection: close\r\n" in answer and answer.count(b"HTTP/1.1 200") == 1
    assert not server.received


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"])
async def test_an_endpoint_that_closes_is_asked_on_another_connection(world, answer):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET + b"\r\n")
    server = await endpoint.accept()
    await server.head()

    await server.send(answer + b"Content-Length: 2\r\n\r\nok")
    head = await client.until(b"ok")
    await client.send(GET + b"\r\n")
    again = await endpoint.accept()

    assert b"Connection:" not in head
    assert await again.head() and await server.rest() == b""


async def test_an_empty_line_before_a_request_is_passed_over(world):
    client, server, seen = await asked(world, b"\r\n" + GET + b"\r\n")

    await server.send(OK)
    await client.until(b"ok")

    assert seen.startswith(GET)


@pytest.mark.parametrize(("target", "kept"), [(b"/", True), (b"http://web.shop.mesh/", False)])
async def test_an_http_1_0_client_is_kept_by_a_server_and_not_by_a_proxy(world, target, kept):
    client, server, _ = await asked(
        world, b"GET " + target + b" HTTP/1.0\r\n" + HOST + b"Connection: keep-alive\r\n\r\n"
    )

    await server.send(OK)

    head = await client.until(b"ok")
    assert (b"Connection: keep-alive\r\n" if kept else b"Connection: close\r\n") in head
    if not kept:
        assert await client.rest() == b""


async def test_a_body_that_was_refused_before_it_came_ends_the_connection(world):
    expecting = b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    client, server, seen = await asked(world, expecting)

    await server.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

    answer = await client.rest()
    assert b"Expect: 100-continue\r\n" in seen
    assert answer.startswith(b"HTTP/1.1 413 ") and b"Connection: close\r\n" in answer


def test_the_mesh_itself_is_no_endpoint(world, caplog):
    own = ("127.0.0.1", world.listener.address[1])
    context = ClusterContext(world.upstream, {own}, lambda: 0.5)
    cluster = Cluster("shop/web", "shop/web:80", context)
    port = Port(80, endpoints=(Endpoint(*own), Endpoint("127.0.0.1", 9)))

    cluster.install(Service("shop", "web", ports=(port,)), port, Plan(lambda: by_chance))

    assert [endpoint.address for endpoint in cluster.endpoints] == [("127.0.0.1", 9)]
    assert "is this proxy itself" in caplog.text


def test_no_answer_of_the_mesh_has_a_status_that_is_not_a_proxys_to_give():
    kinds = [errors.ProxyError]
    for kind in kinds:
        kinds += kind.__subclasses__()

    assert not {kind.status for kind in kinds} & {401, 405, 407, 411, 421, 426}
