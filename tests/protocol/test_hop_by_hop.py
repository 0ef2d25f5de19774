"""What ends at this hop is cut out, what goes on goes on byte for byte, and nobody can nominate away what matters."""

import pytest

from nodeproxy.protocol.fields import without
from nodeproxy.protocol.http1.head import HeadLimits
from tests.fakes.heads import CHUNKED

LIMITS = HeadLimits()
GET = b"GET / HTTP/1.1\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
HOST = b"Host: web.shop.mesh\r\n"


@pytest.mark.parametrize(
    "name",
    [
        b"Connection", b"Keep-Alive", b"Proxy-Connection", b"TE", b"Upgrade", b"Forwarded", b"X-Forwarded-For",
        b"X-Forwarded-Host", b"X-Forwarded-Proto", b"X-Real-IP", b"x_forwarded_for", b"X-Forwarded_Host",
        b"x_forwarded-proto", b"x_real_ip", b"X-Real_IP", b"x_real-ip", b"x-mesh-service",
    ],
)  # fmt: skip
def test_a_request_loses_the_fields_that_the_mesh_answers_for(heads, name):
    for spelled in (name, name.lower(), name.upper()):
        received = GET + b"A: 1\r\n" + spelled + b": 6.6.6.6\r\n" + HOST + spelled + b"x: stays\r\n\r\n"

        head = heads.scan_request(received, LIMITS)

        assert head.head == GET + b"A: 1\r\n" + HOST + spelled + b"x: stays\r\n"


@pytest.mark.parametrize(
    "name", [b"Connection", b"Keep-Alive", b"Proxy-Connection", b"TE", b"Upgrade", b"x-mesh-error"]
)
def test_a_response_loses_the_fields_of_its_hop(heads, name):
    head = heads.scan_response(OK + b"A: 1\r\n" + name.upper() + b": x\r\nTrace: 1\r\n\r\n", LIMITS)

    assert head.head == OK + b"A: 1\r\nTrace: 1\r\n"


@pytest.mark.parametrize(
    ("option", "field_line"),
    [
        (b"host", b""),
        (b"Host, Content-Length", b"Content-Length: 3\r\n"),
        (b"close, keep-alive, , ", b"Close: 1\r\n"),
        (b"x-one", b"X-One-And-More: 1\r\n"),
        (b"x.ne", b"X-ne: 1\r\n"),
        (b".*", b"A: 1\r\n"),
        (b"a:b", b"A:b: 1\r\n"),
        (b"(", b"A: (\r\n"),
    ],
)
def test_what_cannot_be_nominated_away_stays(heads, option, field_line):
    head = heads.scan_request(GET + HOST + b"Connection: " + option + b"\r\n" + field_line + b"\r\n", LIMITS)

    assert head.head == GET + HOST + field_line
    assert head.host == b"web.shop.mesh"


@pytest.mark.parametrize(
    "connection",
    [
        b"Connection: X-One, x-two\r\n",
        b"Connection: x-one\r\nConnection: keep-alive,\tX-TWO ,\r\n",
        b"connection:x-two,,x-one\r\n",
    ],
)
@pytest.mark.parametrize("before", [True, False], ids=["before", "behind"])
def test_nominated_fields_are_cut_out_wherever_they_stand(heads, connection, before):
    nominated = b"X-One: 1\r\nx-two: 2\r\nX-One: 3\r\n"
    fields = connection + HOST + nominated if before else nominated + HOST + connection

    request = heads.scan_request(GET + fields + b"A: x-one\r\n\r\n", LIMITS)
    response = heads.scan_response(OK + fields + b"A: x-one\r\n\r\n", LIMITS)

    assert request.head == GET + HOST + b"A: x-one\r\n"
    assert response.head == OK + HOST + b"A: x-one\r\n"


def test_a_body_stays_framed_whatever_is_nominated(heads):
    connection = b"Connection: transfer-encoding, content-length\r\n"

    chunked = heads.scan_request(GET + HOST + connection + b"Transfer-Encoding: chunked\r\n\r\n", LIMITS)
    sized = heads.scan_response(OK + connection + b"Content-Length: 5\r\n\r\n", LIMITS)

    assert (chunked.length, sized.length) == (CHUNKED, 5)
    assert sized.head == OK + b"Content-Length: 5\r\n"


def test_thousands_of_nominated_fields_are_cut_out_as_a_few_are(heads):
    names = [b"n%d" % number for number in range(9000)]
    fields = b"".join(b"%b: 1\r\n" % name for name in names[-97:])

    head = heads.scan_request(GET + b"Connection: " + b",".join(names) + b"\r\n" + fields + HOST + b"\r\n", LIMITS)

    assert head.head == GET + HOST


def test_a_head_may_lose_many_fields(heads):
    lost = b"".join(b"X-Forwarded-For: %d\r\nKept%d: 1\r\n" % (number, number) for number in range(40))
    kept = b"".join(b"Kept%d: 1\r\n" % number for number in range(40))

    assert heads.scan_request(GET + HOST + lost + b"\r\n", LIMITS).head == GET + HOST + kept


def test_a_clients_word_that_it_takes_trailers_is_passed_on(heads):
    for te in (b"TE: trailers", b"te: gzip;q=0.5 ,Trailers"):
        head = heads.scan_request(GET + te + b"\r\nConnection: keep-alive, te\r\n" + HOST + b"\r\n", LIMITS)

        assert head.head == GET + HOST + b"TE: trailers\r\nConnection: TE\r\n"


@pytest.mark.parametrize(
    "fields", [b"TE: trailers\r\n", b"TE: gzip\r\nConnection: TE\r\n", b"TE: trailers;q=0\r\nConnection: te\r\n"]
)
def test_other_words_about_this_hops_codings_end_here(heads, fields):
    assert heads.scan_request(GET + fields + HOST + b"\r\n", LIMITS).head == GET + HOST


def test_an_http_1_0_client_takes_no_trailers_and_expects_nothing(heads):
    fields = b"TE: trailers\r\nConnection: TE\r\nExpect: 100-continue\r\n"

    head = heads.scan_request(b"POST / HTTP/1.0\r\n" + fields + HOST + b"\r\n", LIMITS)

    assert head.head == b"POST / HTTP/1.1\r\n" + HOST
    assert not head.expects


def test_an_answer_that_asks_for_another_protocol_says_which(heads):
    upgrade = b"Upgrade: h2c\r\nConnection: upgrade\r\nupgrade: x/1\r\n"

    asks = heads.scan_response(b"HTTP/1.1 426 Upgrade Required\r\n" + upgrade + b"A: 1\r\n\r\n", LIMITS)
    offers = heads.scan_response(OK + upgrade + b"A: 1\r\n\r\n", LIMITS)

    assert asks.head == b"HTTP/1.1 426 Upgrade Required\r\nA: 1\r\nUpgrade: h2c, x/1\r\nConnection: Upgrade\r\n"
    assert offers.head == OK + b"A: 1\r\n"


def test_what_is_nominated_is_known_to_the_body_too(heads):
    fields = b"Connection: X-Two, close, x-one, host\r\n" + HOST + b"\r\n"

    request, response = heads.scan_request(GET + fields, LIMITS), heads.scan_response(OK + fields, LIMITS)

    assert request.nominated == response.nominated == (b"x-one", b"x-two")


@pytest.mark.parametrize("protocol", [b"h2c", b"H2C", b"h2", b"HTTP/2.0", b"TLS/1.0", b"h2c, http/1.1, tls"])
def test_no_request_can_ask_an_endpoint_for_http_that_the_mesh_would_not_see(heads, protocol):
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"

    assert heads.scan_request(GET + HOST + upgrade % protocol + b"\r\n", LIMITS).head == GET + HOST


@pytest.mark.parametrize(
    ("fields", "offered"),
    [
        (b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"websocket"),
        (b"upgrade:WebSocket \r\nconnection:keep-alive,UPGRADE\r\n", b"WebSocket"),
        (b"Connection: upgrade\r\nUpgrade: a/1.0,,h2c\r\nUpgrade:\tb , http/2\r\n", b"a/1.0, b"),
        (b"Connection: upgrade\r\nUpgrade: a\r\nContent-Length: 0\r\n", b"a"),
        (b"Connection: upgrade\r\nUpgrade: a\r\nContent-Length: 1\r\n", b""),
        (b"Connection: upgrade\r\nUpgrade: a\r\nTransfer-Encoding: chunked\r\n", b""),
        (b"Connection: keep-alive\r\nUpgrade: a\r\n", b""),
        (b"Connection: upgrade\r\n", b""),
        (b"Connection: upgrade\r\nUpgrade: ,\r\n", b""),
        (b"Connection: upgrade\r\nUpgrade: a, b/\r\n", b""),
        (b"Connection: upgrade\r\nUpgrade: a b\r\n", b""),
        (b"Connection: upgrade\r\nUpgrade: a/1/2\r\n", b""),
    ],
)
def test_an_upgrade_in_due_form_is_offered_to_the_endpoint(heads, fields, offered):
    head = heads.scan_request(GET + HOST + fields + b"\r\n", LIMITS)

    assert head.upgrade == offered
    assert (b"Connection: Upgrade\r\nUpgrade: %b\r\n" % offered in head.head) is bool(offered)


def test_an_http_1_0_client_offers_no_protocol(heads):
    upgrade = b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"

    assert heads.scan_request(b"GET / HTTP/1.0\r\n" + HOST + upgrade, LIMITS).upgrade == b""


@pytest.mark.parametrize(
    "target", [b"/a%2Fb", b"/../a", b"//a//b", b"/%00", b"/a;b=c", b"/%2e%2e/", b"/?a=http://b/", b'/"<>^`{|}']
)
def test_a_path_goes_on_as_it_came(heads, target):
    received = b"GET %b HTTP/1.1\r\n%b\r\n" % (target, HOST)

    head = heads.scan_request(received, LIMITS)

    assert head.target == target
    assert head.head + b"\r\n" == received


def test_what_is_read_of_a_response_is_not_more_than_its_head(heads):
    received = OK + b"Content-Length: 0\r\n\r\n"
    split = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"

    head = heads.scan_response(received + split, LIMITS)

    assert (head.length, head.persistent, head.end) == (0, True, len(received))


def test_lines_without_some_names_are_the_others():
    lines = b"A: 1\r\nB: a: 2\r\nAB: 3\r\na: 4\r\n"

    assert without(lines, {b"a"}) == b"B: a: 2\r\nAB: 3\r\n"
    assert without(lines, set()) == lines
