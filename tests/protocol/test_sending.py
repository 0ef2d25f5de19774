"""What a policy may make of a message is sent as one message: one first line, one framing."""

import pytest

from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.http1.sending import request_head
from nodeproxy.protocol.message import UNKNOWN, NotSendable, Request, Response
from tests.fakes.exchanges import request

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
FRAMED = b"A: 1\r\ncontent-Length: 5\r\nB: 2\r\n"


@pytest.mark.parametrize("path", [b"", b"/a b", b"/ HTTP/1.1\r\nX: 1", b"/\n", b"/\x7f", b"/\xff", "/"])
def test_a_path_that_would_be_more_than_a_path_is_refused(path):
    made = request(path=b"/a")

    with pytest.raises(NotSendable, match="path"):
        made.path = path
    with pytest.raises((NotSendable, TypeError)):  # a compiled class refuses what is no bytes by itself
        Request(b"GET", b"", path, Fields())

    assert made.path == b"/a"


@pytest.mark.parametrize("method", [b"", b"GET ", b"G\r\nT", b"GET / HTTP/1.1\r\nX:", b"\xff", None])
def test_a_method_that_is_no_token_is_refused(method):
    made = request()

    with pytest.raises(NotSendable, match="method"):
        made.method = method

    assert made.method == b"GET"


@pytest.mark.parametrize("phrase", [b"OK\r\nX: 1", b"\n", b"\0", b"\x7f"])
def test_a_phrase_that_would_be_more_than_a_phrase_is_refused(phrase):
    response = Response(200, Fields(), 0)

    with pytest.raises(NotSendable, match="phrase"):
        response.phrase = phrase

    assert response.phrase == b""


def test_a_request_whose_length_is_made_unknown_has_one_framing():
    made = request(method=b"POST", block=FRAMED, length=UNKNOWN)

    assert request_head(made, b"") == b"POST / HTTP/1.1\r\nA: 1\r\nB: 2\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_request_of_known_length_keeps_its_own():
    assert FRAMED in request_head(request(method=b"POST", block=FRAMED, length=5), b"")


@pytest.mark.parametrize(
    ("version", "framing"), [(b"1.1", b"Transfer-Encoding: chunked"), (b"1.0", b"Connection: close")]
)
async def test_a_response_whose_length_is_made_unknown_has_one_framing(world, version, framing):
    endpoint = world.endpoint()
    world.serve(endpoint)
    inner = world.route.handler

    async def compressed(exchange):
        response = await inner(exchange)
        response.length = UNKNOWN
        return response

    object.__setattr__(world.route, "handler", compressed)
    client = await world.client()
    await client.send(GET.replace(b"HTTP/1.1", b"HTTP/" + version))
    server = await endpoint.accept()
    await server.head()
    await server.send(b"HTTP/1.1 200 OK\r\nContent-LENGTH: 4\r\n\r\nab")
    head = await client.head()

    assert b"length" not in head.lower()
    assert framing in head
