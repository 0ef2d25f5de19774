"""The compiled twin writes the same frames as the Python codec, byte for byte."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.http2 import sending
from nodeproxy.protocol.message import UNKNOWN, Request, Response

twin = pytest.importorskip("nodeproxy.protocol.http2.twin", reason="the compiled twin was not built")


def lines_of(pairs):
    return b"".join(b"%b: %b\r\n" % pair for pair in pairs)


SENT_NAMES = (
    b"accept", b"Content-Type", b"content-length", b"te", b"host", b"x-a", b"connection", b"set-cookie", b"upgrade",
    b"keep-alive", b"proxy-connection", b"transfer-encoding", b"proxy-authorization", b"X-Upper", b"Authorization",
    b"Cookie", b"y" * 130,
)  # fmt: skip
SENT_VALUES = (b"", b"a", b" b\t", b"5", b"z" * 126, b"z" * 127, b"z" * 9000)
SENT = st.lists(st.tuples(st.sampled_from(SENT_NAMES), st.sampled_from(SENT_VALUES)), max_size=5).map(lines_of)


def written(codec, name, *arguments):
    """What a function writes, of messages that are made for each call."""
    made = [argument() if callable(argument) else argument for argument in arguments]
    return getattr(codec, name)(*made)


@settings(max_examples=200)
@given(
    SENT, SENT, st.sampled_from((b"GET", b"POST", b"PUT")),
    st.sampled_from((b"/", b"/index.html", b"/a?b", b"/" * 200)),
    st.sampled_from((UNKNOWN, 0, 5)), st.booleans(), st.sampled_from((b"", b"\x20")), st.sampled_from((b"", b"a.b")),
)  # fmt: skip
def test_heads_are_written_alike(block, added, method, path, length, flag, prefix, authority):
    def request():
        made = Request(method, authority, path, Fields(block), length)
        made.takes_trailers = flag
        if flag:
            made.fields.set(b"x-edited", b"1")
        return made

    for name, message in (
        ("request_headers", request),
        *(("response_headers", lambda status=status: Response(status, Fields(block), length))
          for status in (100, 200, 206, 404, 503, 999)),
    ):  # fmt: skip
        assert written(twin, name, message, added, 7, flag, prefix) == written(
            sending, name, message, added, 7, flag, prefix
        )
    assert twin.trailers_headers(block, 9, prefix) == sending.trailers_headers(block, 9, prefix)
    assert twin.trailers_headers(block, stream=9) == sending.trailers_headers(block, 9)


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from((b"a", b":", b" ", b"\r", b"\n", b"\r\n", b"a: b\r\n", b"\0", b"\xff")), max_size=8).map(
        b"".join
    )
)
def test_lines_of_chance_are_written_alike(lines):
    assert twin.trailers_headers(lines, 1) == sending.trailers_headers(lines, 1)


@pytest.mark.parametrize("size", range(16384 - 40, 16384 + 10))
def test_at_the_size_of_a_frame(size):
    lines = b"a: %b\r\n" % (b"x" * size)
    request = Request(b"GET", b"a", b"/", Fields(lines))
    request.takes_trailers = True

    assert twin.request_headers(request, b"", 1, True) == sending.request_headers(request, b"", 1, True)
    assert twin.trailers_headers(lines, 1) == sending.trailers_headers(lines, 1)
