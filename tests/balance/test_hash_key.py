"""The part of a request that consistent hashing goes by."""

import pytest

from nodeproxy.balance.hash_key import of_client, of_cookie, of_cookie_or_new, of_header, of_query
from tests.fakes.exchanges import exchange


def asking(path=b"/", **fields):
    one = exchange()
    one.request.path = path
    for name, value in fields.items():
        one.request.fields.add(name.replace("_", "-").encode(), value)
    return one


def test_a_header_field_counts_whatever_the_case_of_its_name():
    assert of_header("X-User")(asking(x_user=b"ada")) == b"ada"
    assert of_header("x-user")(asking(x_other=b"ada")) is None
    assert of_header("user")(asking(x_user=b"user:eve", user=b"ada")) == b"ada"


def test_several_lines_of_a_field_are_one_value():
    one = asking(x_user=b"ada")
    one.request.fields.add(b"X-User", b"eve")

    assert of_header("x-user")(one) == b"ada,eve"


def test_the_client_is_its_address():
    assert of_client(asking()) == b"10.0.0.9"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (b"/?user=ada&user=eve", b"ada"),
        (b"/?a=1&user=", b""),
        (b"/?user", b""),
        (b"/?%75ser=%61da", b"ada"),
        (b"/?users=ada", None),
        (b"/user=ada", None),
        (b"*", None),
    ],
)
def test_a_query_parameter_is_decoded(path, value):
    assert of_query("user")(asking(path)) == value


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"session=1; user=ada", b"ada"),
        (b'user="ada"; session=1', b"ada"),
        (b" user = ada ", b"ada"),
        (b"xuser=ada", None),
        (b"user", b""),
    ],
)
def test_a_cookie_is_found_among_others(line, value):
    assert of_cookie("user")(asking(cookie=line)) == value


def test_without_the_cookie_each_exchange_has_a_key_of_its_own_for_all_its_attempts():
    key, one, other = of_cookie_or_new("user"), asking(), asking()
    other.started += 0.001

    assert key(one) == key(one) != key(other)
    assert key(asking(cookie=b"user=ada")) == b"ada"
