"""The handshake of WebSocket: keys, and what answers them."""

import pytest

from nodeproxy.errors import BadResponse
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2.errors import MalformedRequest
from nodeproxy.protocol.http2.request_in import read_request
from nodeproxy.protocol.http2.sending import connect_headers
from nodeproxy.protocol.message import Request, Response
from nodeproxy.protocol.websocket import accept_of, add_key, check_accept, check_declined, key_of

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, 1.3, with its answer
ANSWER = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
CONNECT = [
    (b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"https"), (b":path", b"/chat?a"),
    (b":authority", b"web.shop.mesh"),
]  # fmt: skip


def asked(lines=b"Sec-WebSocket-Key: %b\r\n" % KEY, upgrade=b"websocket", method=b"GET"):
    request = Request(method, b"web.shop.mesh", b"/", Fields(lines))
    request.upgrade = upgrade
    return request


def test_a_key_is_answered_as_in_the_rfc():
    assert accept_of(KEY) == ANSWER


@pytest.mark.parametrize("upgrade", [b"websocket", b"WebSocket", b"chat, websocket"])
def test_the_key_of_a_request_is_found(upgrade):
    assert key_of(asked(upgrade=upgrade)) == KEY


@pytest.mark.parametrize(
    "request_",
    [
        asked(b""),
        asked(b"Sec-WebSocket-Key: a\r\n"),
        asked(b"Sec-WebSocket-Key: %b=\r\n" % KEY[:-2]),
        asked(b"Sec-WebSocket-Key: %b\r\n" % KEY.replace(b"Q==", b"R==")),
        asked(b"Sec-WebSocket-Key: %b\r\nsec-websocket-key: %b\r\n" % (KEY, KEY)),
        asked(upgrade=b""),
        asked(upgrade=b"chat"),
        asked(upgrade=b"websocket/2"),
        asked(method=b"POST"),
    ],
)
def test_a_request_that_does_not_ask_in_due_form_has_none(request_):
    assert key_of(request_) == b""


def test_a_key_that_is_made_is_one():
    request = asked(b"a: 1\r\n")

    add_key(request, bytes(range(16)))

    assert key_of(request) == b"AAECAwQFBgcICQoLDA0ODw=="


@pytest.mark.parametrize("lines", [b"", b"Sec-WebSocket-Accept: a\r\n", b"Sec-WebSocket-Accept: %b\r\n" % ANSWER * 2])
def test_an_answer_to_another_key_is_a_bad_response(lines):
    check_accept(asked(), Response(101, Fields(b"sec-websocket-accept:  %b\r\n" % ANSWER), 0))

    with pytest.raises(BadResponse):
        check_accept(asked(), Response(101, Fields(lines), 0))


@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_success_without_websocket_is_a_bad_response(status):
    check_declined(Response(403, Fields(), 0))
    check_declined(Response(301, Fields(), 0))

    with pytest.raises(BadResponse, match=f"{status} to a WebSocket"):
        check_declined(Response(status, Fields(), 0))


def test_an_extended_connect_is_the_get_that_it_would_be_over_http1():
    fields = [*CONNECT, (b"sec-websocket-key", KEY), (b"sec-websocket-version", b"13")]

    request, _ = read_request(fields, False, HeadLimits())

    assert (request.method, request.path, request.authority) == (b"GET", b"/chat?a", b"web.shop.mesh")
    assert (request.upgrade, request.length, request.version) == (b"websocket", 0, b"2")
    assert request.fields.block() == b"host: web.shop.mesh\r\nsec-websocket-version: 13\r\n"


@pytest.mark.parametrize(
    ("fields", "ended"),
    [
        (CONNECT, True),
        ([*CONNECT, (b"content-length", b"0")], False),
        ([*CONNECT, (b"content-length", b"5")], False),
        ([*CONNECT, (b"upgrade", b"websocket")], False),
        ([*CONNECT, (b"host", b"other")], False),
        (CONNECT[1:], False),
        ([*CONNECT[:3], (b":path", b"*"), CONNECT[4]], False),
        ([*CONNECT[:2], (b":scheme", b"wss"), *CONNECT[3:]], False),
        (CONNECT[:4], False),
    ],
)
def test_an_ambiguous_extended_connect_is_malformed(fields, ended):
    with pytest.raises(MalformedRequest):
        read_request(fields, ended, HeadLimits())


def test_what_belongs_to_http1_is_not_in_an_extended_connect():
    lines = b"Host: a\r\nContent-Length: 0\r\nSec-WebSocket-Key: %b\r\nX-A: 1\r\n" % KEY

    frames = connect_headers(asked(lines), b"X-B: 2\r\n", 1)

    assert b"websocket" in frames and b"x-a" in frames and b"x-b" in frames
    assert KEY not in frames and b"content-length" not in frames and b"host" not in frames
