"""The messages of gRPC health checks."""

import pytest
from hypothesis import given
from hypothesis.strategies import binary

from nodeproxy.protocol.grpc_health import is_serving, request_message


def test_the_server_as_a_whole_is_asked_for_by_an_empty_message():
    assert request_message("") == b"\0\0\0\0\0"


def test_a_service_is_asked_for_by_its_name():
    assert request_message("shop.Carts") == b"\0\0\0\0\x0c\x0a\x0ashop.Carts"
    assert request_message("x" * 200)[5:8] == b"\x0a\xc8\x01"


@pytest.mark.parametrize(
    "body",
    [
        b"\0\0\0\0\2\x08\1",
        b"\0\0\0\0\4\x08\2\x08\1",  # the last one counts
        b"\0\0\0\0\x08\x12\2ab\x18\7\x08\1",  # fields of a later version
        b"\0\0\0\0\x10\x11\0\0\0\0\0\0\0\0\x1d\0\0\0\0\x08\1",
        b"\0\0\0\0\3\x08\x81\0",
        b"\0\0\0\0\2\x08\1\0\0\0\0\0",
    ],
)
def test_serving_is_success(body):
    assert is_serving(body)


@pytest.mark.parametrize(
    "body",
    [b"", b"\0\0\0\0\0", b"\0\0\0\0\2\x08\2", b"\0\0\0\0\2\x08\0", b"\1\0\0\0\2\x08\1", b"\0\0\0\0\3\x08\1",
     b"\0\0\0\0\x0c\x08" + b"\x81" + b"\x80" * 9 + b"\0",  # a number of eleven bytes
     b"\0\0\0\0\2\x10\1", b"\0\0\0\0\2\x08\x81", b"\0\0\0\0\4\x08\1\x12\x09", b"\0\0\0\0\3\x08\1\x1b", b"serving"],
)  # fmt: skip
def test_anything_else_is_not(body):
    assert not is_serving(body)


@given(body=binary(max_size=64))
def test_whatever_comes_there_is_an_answer(body):
    assert is_serving(body) in (True, False)
