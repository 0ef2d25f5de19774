"""Canonical paths: one form for all spellings of a path, none for a path that servers read in different ways."""

import posixpath
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis.strategies import binary, composite, lists, sampled_from, text

from nodeproxy.routing.canonical import _normalised, canonical

VISIBLE = [chr(code) for code in range(0x21, 0x7F)]
UNRESERVED = "abcxyzABC019-_~"
PIECES = ["a", "b.c", "..", ".", "", "...", ".x", "..x", ";v=1", "..;", "%2e", "%2E%2e", "%41", "%2f", "%25", "%c3%a9"]


@composite
def targets(draw):
    """Paths of pieces that matter, some with a query."""
    return (
        "/" + "/".join(draw(lists(sampled_from(PIECES), max_size=8))) + draw(sampled_from(["", "?a=/../b"]))
    ).encode()


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", b"/"),
        (b"/api/users?id=/../%zz", b"/api/users"),
        (b"/api/", b"/api/"),
        (b"/.well-known/x.html", b"/.well-known/x.html"),
        (b"//api///users//", b"/api/users/"),
        (b"/api/./users/../items", b"/api/items"),
        (b"/api/..", b"/"),
        (b"/api/.", b"/api/"),
        (b"/../../etc/passwd", b"/etc/passwd"),
        (b"/%61pi/%7Euser%21", b"/api/~user!"),
        (b"/%2e%2E/admin", b"/admin"),
        (b"/a/%2e%2e/admin", b"/admin"),
        (b"/caf%c3%a9", b"/caf%C3%A9"),
        (b"/a%20b%3fc%23d", b"/a%20b%3Fc%23d"),
        (b"/100%25", b"/100%25"),
        (b"/...", b"/..."),
        (b"/a;v=1/b", b"/a;v=1/b"),
    ],
)
def test_spellings_of_a_path_have_one_canonical_form(target, path):
    assert canonical(target) == path


@pytest.mark.parametrize(
    "target",
    [
        b"*",
        b"/a%2fb", b"/a%2Fb", b"/a%5cb", b"/a\\b", b"/a%00b", b"/a%0d%0ab", b"/a%1fb", b"/a%7fb",
        b"/%", b"/%4", b"/%zz", b"/%u002e%u002e/", b"/a#b", b"/a b", b"/\xff",
        b"/%252e%252e/admin", b"/%25%32%65/", b"/%25%2f", b"/%2%35%32e",
        b"/%c0%ae%c0%ae/admin", b"/%c0%af", b"/%ff", b"/%ed%a0%80",
        b"/a/..;/admin", b"/..;x=1/admin", b"/.;/admin", b"/a/%2e%2e%3b/admin",
        b"/a//../admin", b"/a/b//../../admin", b"//..//../a/%2f",
    ],
)  # fmt: skip
def test_what_servers_read_in_different_ways_has_no_canonical_form(target):
    assert canonical(target) is None


@given(targets())
def test_a_canonical_path_is_its_own_canonical_path(target):
    path = canonical(target)

    assert path is None or canonical(path) == path


@given(targets())
def test_a_canonical_path_stays_below_the_root_and_has_no_second_reading(target):
    path = canonical(target)

    assert path is None or (path.startswith(b"/") and b"//" not in path and {b".", b".."}.isdisjoint(path.split(b"/")))


@given(targets())
def test_the_short_way_for_plain_paths_comes_to_the_same(target):
    assert canonical(target) == _normalised(target.partition(b"?")[0])


@given(lists(text(sampled_from(UNRESERVED + "."), max_size=4), max_size=6))
def test_a_plain_path_is_what_the_file_system_makes_of_it(segments):
    target = "/" + "/".join(segments)

    path = canonical(target.encode())

    assert path is None or (path.decode().rstrip("/") or "/") == "/" + posixpath.normpath(target).lstrip("/")


@given(lists(text(sampled_from(UNRESERVED), min_size=1, max_size=6), min_size=1, max_size=4), binary(max_size=8))
def test_encoding_characters_that_need_none_changes_nothing(segments, chosen):
    path = "/" + "/".join(segments)

    encoded = "".join(
        f"%{ord(each):02x}" if each != "/" and chosen and chosen[at % len(chosen)] & 1 else each
        for at, each in enumerate(path)
    )

    assert canonical(encoded.encode()) == path.encode()


@given(text(sampled_from([*VISIBLE, " ", "é", "日"]), max_size=12))
def test_any_text_that_is_encoded_once_is_a_path_or_none(name):
    path = canonical(b"/files/" + quote(name, safe="").encode())

    assert path is None or path.startswith(b"/")


@given(binary(max_size=40))
def test_no_bytes_are_an_error(rest):
    path = canonical(b"/" + rest)

    assert path is None or path.startswith(b"/")
