"""Runs of plain chunks: both twins cut out the same, stop where there is doubt, and leave refusing to the decoder."""

import subprocess
import sys
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeproxy.protocol.http1 import chunks as python
from nodeproxy.protocol.http1.framing import STEPS_MOST, Chunked
from tests.protocol.test_framing_refusals import BROKEN

try:
    from nodeproxy.protocol.http1 import twin
except ImportError:
    twin = None

PARTS = (
    b"1\r\na\r\n", b"02\r\nab\r\n", b"A\r\n0123456789\r\n", b"1;x\r\na\r\n", b"0\r\n\r\n", b"1\r\n", b"fF\r\n", b"a",
    b"\r\n", b"\n", b"\r", b"g", b"0" * 14, b"7" * 15, b"\xc1\r\n", b" ",
)  # fmt: skip
STOPS = {
    "nothing": b"",
    "no size": b"\r\n",
    "a size alone": b"1",
    "no data": b"1\r\n",
    "half of its data": b"2\r\na",
    "no line end": b"1\r\na",
    "half a line end": b"1\r\na\r",
    "data beyond its size": b"1\r\nab\r\n",
    "the last chunk": b"0\r\n\r\n",
    "the last chunk, longer": b"000\r\n\r\n",
    "an extension": b"1;a\r\na\r\n",
    "a blank": b"1 \r\na\r\n",
    "sixteen digits": b"0000000000000001\r\na\r\n",
    "the largest size": b"fffffffffffffff\r\na\r\n",
    "bare LF": b"1\na\r\n",
    "no digit": b"g\r\na\r\n",
    "beyond ASCII": b"\xc1\r\na\r\n",
}


@pytest.fixture(params=["python", "twin"])
def plain_chunks(request):
    module: ModuleType | None = python if request.param == "python" else twin
    if module is None:
        pytest.skip("the compiled twin was not built: no C compiler where nodeproxy was installed")
    return module.plain_chunks


def test_a_run_is_cut_out_as_a_whole(plain_chunks):
    wire = b"1\r\na\r\n0a\r\n0123456789\r\nB\r\n\r\n\r\n\r\n\r\n\r\n!\r\n000000000000001\r\nz\r\n"

    assert plain_chunks(b"xx" + wire, 2, 99) == (b"a0123456789\r\n\r\n\r\n\r\n\r\n!z", len(wire) + 2, 4)


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
def test_what_is_no_whole_plain_chunk_ends_the_run_and_stays(plain_chunks, stop):
    assert plain_chunks(b"2\r\nab\r\n" + stop, 0, 99) == (b"ab", 7, 1)
    assert plain_chunks(stop, 0, 99) == (b"", 0, 0)


@pytest.mark.parametrize("most", [0, 1, 3])
def test_no_more_than_was_asked_for_are_taken(plain_chunks, most):
    assert plain_chunks(b"1\r\na\r\n" * 4, 0, most) == (b"a" * most, 6 * most, most)


@settings(max_examples=1000)
@given(st.lists(st.sampled_from(PARTS) | st.binary(max_size=3), max_size=12).map(b"".join), st.integers(0, 9))
def test_both_twins_cut_the_same(wire, at):
    if twin is None:
        pytest.skip("the compiled twin was not built")

    assert twin.plain_chunks(wire, at, 5) == python.plain_chunks(wire, at, 5)


@pytest.mark.parametrize("arguments", [(), (b"", 0), ("", 0, 1), (b"", "", 1)])
def test_what_it_is_not_meant_for_is_an_error(plain_chunks, arguments):
    with pytest.raises(TypeError):
        plain_chunks(*arguments)


PLAIN, EXTENDED = b"1\r\na\r\n", b"1;\r\na\r\n"
STEPS_OF_EXTENDED = 3  # its line, its data, its end
RUNS = {
    "plain": PLAIN * 4 * STEPS_MOST,
    "with extensions": EXTENDED * 4 * STEPS_MOST,
    "plain behind extensions": EXTENDED * (STEPS_MOST // STEPS_OF_EXTENDED) + PLAIN * 4 * STEPS_MOST,
}


@pytest.mark.parametrize("wire", RUNS.values(), ids=RUNS)
def test_one_feed_decodes_a_bounded_number_and_says_that_it_holds_more(wire):
    reader = Chunked()
    count = wire.count(b"a")

    pieces = [reader.feed(wire + b"0\r\n\r\nGET")]
    while reader.waiting:
        pieces.append(reader.feed(b""))

    assert max(map(len, pieces)) <= STEPS_MOST
    assert (b"".join(pieces), reader.done, reader.surplus) == (b"a" * count, True, b"GET")


@pytest.mark.parametrize("wire", BROKEN.values(), ids=BROKEN)
def test_what_is_refused_is_refused_behind_a_run_too(wire):
    reader = Chunked()

    with pytest.raises(ValueError, match=r".+"):
        refuse(reader, b"1\r\na\r\n" * (STEPS_MOST + 1) + wire)


def refuse(reader, wire):
    reader.feed(wire)
    while reader.waiting:
        reader.feed(b"")
    reader.end()


def test_without_the_twin_bodies_are_decoded_all_the_same():
    program = (
        "import sys; sys.modules['nodeproxy.protocol.http1.twin'] = None\n"
        "from nodeproxy.protocol.http1.framing import Chunked\n"
        "assert Chunked().feed(b'1\\r\\na\\r\\n2\\r\\nbc\\r\\n') == b'abc'\n"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stderr) == (0, "")
