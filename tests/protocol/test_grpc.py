"""gRPC in requests and responses."""

from math import inf, isclose
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis.strategies import binary, floats

from nodeproxy.protocol import grpc
from nodeproxy.protocol.errors_as_responses import own_response
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Request, Response

HOST = b"host: web.shop.mesh\r\n"


def asked(lines, method=b"POST"):
    return Request(method, b"web.shop.mesh", b"/shop.Web/Get", Fields(HOST + lines))


def typed(content_type, method=b"POST"):
    return asked(b"te: trailers\r\ncontent-type: " + content_type + b"\r\n", method)


@pytest.mark.parametrize(
    "content_type",
    [b"application/grpc", b"application/grpc+proto", b"application/grpc+json", b"application/grpc;charset=utf-8",
     b"application/grpc ;x=y"],
)  # fmt: skip
def test_a_post_with_a_content_type_of_grpc_is_a_call(content_type):
    assert grpc.is_call(typed(content_type))


@pytest.mark.parametrize(
    "content_type",
    [b"application/grpc-web", b"application/grpc-web+proto", b"application/grpc-web-text", b"application/grpcx",
     b"application/json", b"text/plain; x=application/grpc"],
)  # fmt: skip
def test_any_other_content_type_is_no_call(content_type):
    assert not grpc.is_call(typed(content_type))


def test_what_is_no_post_or_has_no_content_type_is_no_call():
    assert not grpc.is_call(typed(b"application/grpc", b"GET"))
    assert not grpc.is_call(asked(b"x-content-type: application/grpc\r\n"))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"1S", 1.0), (b"250m", 0.25), (b"99999999H", 99999999 * 3600.0), (b"2M", 120.0), (b"7u", 7e-6), (b"0n", 0.0)],
)
def test_a_timeout_is_taken_out_of_the_request(value, seconds):
    request = asked(b"grpc-timeout: " + value + b"\r\ncontent-type: application/grpc\r\n")

    assert isclose(grpc.take_timeout(request), seconds, abs_tol=1e-12)
    assert request.fields.block() == HOST + b"content-type: application/grpc\r\n"


@pytest.mark.parametrize(
    "value", [b"1", b"S", b"123456789S", b"-1S", b"1s", b"1.5S", b"1 S", b"1S\r\ngrpc-timeout: 1S"]
)
def test_a_timeout_that_is_none_is_left_for_the_server(value):
    request = asked(b"grpc-timeout: " + value + b"\r\n")

    assert grpc.take_timeout(request) == inf
    assert request.fields.block() == HOST + b"grpc-timeout: " + value + b"\r\n"


def test_without_a_timeout_there_is_no_deadline():
    assert grpc.take_timeout(asked(b"x-grpc-timeout: 1S\r\n")) == inf


@given(seconds=floats(-1.0, 1e9))
def test_the_time_that_is_left_is_never_lengthened(seconds):
    line = grpc.timeout_line(seconds)

    said = grpc.take_timeout(asked(line))
    assert said > 0
    assert said <= max(seconds, 1e-9) * (1 + 1e-9)
    assert said >= min(seconds, 99_999_999) * 0.999 - 1e-6


def test_the_status_is_found_in_trailers():
    assert grpc.status_in(b"grpc-status: 0\r\n") == grpc.OK
    assert grpc.status_in(b"x-a: 1\r\ngrpc-message: no\r\ngrpc-status: 14\r\n") == grpc.UNAVAILABLE
    assert grpc.status_in(b"Grpc-Status:5\r\n") == grpc.NOT_FOUND  # of an HTTP/1.1 endpoint


@pytest.mark.parametrize(
    "lines",
    [b"", b"x-grpc-status: 0\r\n", b"grpc-status-details-bin: 0\r\n", b"grpc-status: ok\r\n", b"grpc-status: 00\x31"],
)
def test_a_status_that_is_not_there_is_absent(lines):
    assert grpc.status_in(lines) == grpc.ABSENT


def test_only_a_head_alone_is_a_refusal():
    alone = Response(200, Fields(b"grpc-status: 8\r\n"), 0)
    with_message = Response(200, Fields(b"grpc-status: 8\r\n"), 5, b"\0\0\0\0\0")

    assert grpc.refusal(alone) == grpc.RESOURCE_EXHAUSTED
    assert grpc.effective_status(alone) == 429
    assert grpc.refusal(with_message) == grpc.ABSENT
    assert grpc.effective_status(with_message) == 200
    assert grpc.effective_status(Response(503, Fields(b""), 0)) == 503
    assert grpc.effective_status(own_response(429, b"no", b"text/plain")) == 429


def test_statuses_of_http_and_of_resets():
    found = {status: grpc.status_of_http(status) for status in (400, 401, 403, 404, 429, 502, 503, 504, 200, 418)}
    assert found == {400: 13, 401: 16, 403: 7, 404: 12, 429: 8, 502: 14, 503: 14, 504: 4, 200: 2, 418: 2}
    assert [grpc.status_of_reset(code) for code in (0, 2, 7, 8, 11, 12)] == [13, 13, 14, 1, 8, 7]


def test_a_status_is_judged_by_the_http_status_of_the_same_meaning():
    assert [grpc.as_http(status) for status in (0, 2, 4, 8, 13, 14, 15, 5, 17)] == [
        200, 500, 504, 429, 500, 503, 500, 404, 500
    ]  # fmt: skip
    assert len(grpc.NAMES) == 17


@given(text=binary(max_size=3000))
def test_a_message_is_one_line_that_decodes_to_its_text(text):
    encoded = grpc.encoded_message(text)

    assert all(0x20 <= byte <= 0x7E for byte in encoded)
    assert unquote_to_bytes(encoded) == text.strip()[: grpc.MESSAGE_BYTES]
