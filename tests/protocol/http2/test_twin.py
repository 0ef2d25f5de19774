"""The compiled twin is the Python codec, faster: same frames, same refusals, same table, on whatever arrives."""

import gc
import random
import sys
from types import SimpleNamespace

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2 import codes, frames, plain
from nodeproxy.protocol.http2.reader import FrameReader
from nodeproxy.protocol.message import Request, Response
from tests.fakes.builds import OUT_OF_MEMORY, counted_types
from tests.fakes.http2_blocks import GET, LIMITS, OK, POST, entries, seen

twin = pytest.importorskip("nodeproxy.protocol.http2.twin", reason="the compiled twin was not built")

pytestmark = pytest.mark.no_cover  # thousands of rounds of the same lines, which tracing makes twice as long

TIGHT = HeadLimits(head_bytes=300, fields=4, line_bytes=40)
NAMES = (
    b"accept", b"content-type", b"content-length", b"cookie", b"date", b"traceparent", b"te", b"host", b"expect",
    b"x-a", b"x-forwarded-for", b"x-real-ip", b"forwarded", b"x_forwarded_for", b"x-mesh-service", b"x-mesh-error",
    b"connection", b"grpc-status", b"grpc-message", b"set-cookie", b"trailer", b"upgrade", b"keep-alive",
    b"proxy-connection",
    b"transfer-encoding", b"max-forwards", b"proxy-authorization", b"X-Upper", b"", b"a b", b":protocol", b":status",
    b":path", b":method", b":authority", b":scheme",
)  # fmt: skip
VALUES = (
    b"", b"0", b"5", b"05", b"trailers", b"Trailers", b"web.shop.mesh", b"a=b", b"text/html", b"100-continue", b" a",
    b"a\t", b"a\r\nb: c", b"\0", b"\xe4", b"x" * 200, b"GET", b"OPTIONS", b"CONNECT", b"http", b"https", b"/", b"*",
    b"200",
    b"101", b"099", b"204", b"[::1]:80", b"a:1", b"a:", b"/a#b", b"y" * 4100,
)  # fmt: skip
FIELDS = st.lists(st.tuples(st.sampled_from(NAMES) | st.binary(max_size=6), st.sampled_from(VALUES)), max_size=8)
PLAIN = st.lists(
    st.tuples(
        st.sampled_from((b"accept", b"x-a", b"x-b", b"date", b"traceparent", b"x-forwarded-for", b"grpc-status")),
        st.text("abcXYZ019 ~{|/", max_size=300).map(lambda text: text.strip().encode()),
    ),
    max_size=12,
)
BEGINNINGS = st.sampled_from((GET, POST, OK, (), ((b":status", b"404"),), (*GET[:2], (b":path", b"/a?b"), GET[3])))


def reader(implementation, receives, limits):
    """A reader, and its table."""
    tables = []
    made = SimpleNamespace(
        Table=lambda: tables.append(implementation.Table()) or tables[0], read_plain=implementation.read_plain
    )
    return FrameReader(receives, limits, made), tables[0]


def outcome(implementation, receives, limits, pieces):
    made, table = reader(implementation, receives, limits)
    received = [[seen(frame) for frame in made.feed(piece)] for piece in pieces]
    broken = made.broken and (made.broken.code, str(made.broken))
    return received, broken, entries(table), table.size, table.most


def assert_same(*pieces):
    for receives in ("requests", "responses"):
        for limits in (LIMITS, TIGHT):
            ours, theirs = (outcome(each, receives, limits, pieces) for each in (twin, plain))
            assert ours == theirs
            assert repr(ours) == repr(theirs)  # 1 == True


def sent(messages):
    """HEADERS of messages, by one encoder: later ones refer to its table."""
    encoder = hpack.Encoder()
    return b"".join(
        frames.header_frames(encoder.encode(pairs, huffman=huffman), 2 * at + 1, ended)
        for at, (pairs, huffman, ended) in enumerate(messages)
    )


def messages(fields):
    pairs = st.tuples(BEGINNINGS, fields).map(lambda parts: [*parts[0], *parts[1]])
    return st.lists(st.tuples(pairs, st.booleans(), st.booleans()), min_size=1, max_size=6)


@settings(max_examples=200)
@given(messages(PLAIN))
def test_on_plain_messages(sequence):
    assert_same(sent(sequence))


@settings(max_examples=300)
@given(messages(FIELDS))
def test_on_any_messages(sequence):
    assert_same(sent(sequence))


@settings(max_examples=200)
@given(messages(FIELDS), st.data())
def test_on_pieces_and_mutations(sequence, data):
    received = bytearray(sent(sequence))
    for _ in range(data.draw(st.integers(0, 3))):
        received[data.draw(st.integers(0, len(received) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(received)))

    assert_same(bytes(received[:cut]), bytes(received[cut:]))


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4), st.booleans())
def test_on_blocks_of_chance(blocks, valid):
    start = bytes.fromhex("8286844103612e62") if valid else b""
    assert_same(b"".join(frames.header_frames(start + block, 1, False) for block in blocks))


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 255), st.integers(0, 2), st.binary(max_size=20))))
def test_on_frames_of_chance(sequence):
    assert_same(b"".join(frames.header(len(body), kind, flags, n) + body for kind, flags, n, body in sequence))


@settings(max_examples=300)
@given(st.binary(max_size=64))
def test_on_huffman_codes_of_chance(code):
    for tail in (b"", b"\xff", b"\x07"):
        text = code + tail
        assert_same(frames.header_frames(b"\x82\x86\x84\x41\x03a.b\x40\x01a%c%b" % (0x80 | len(text), text), 1, True))


@settings(max_examples=300)
@given(st.binary(max_size=40), st.booleans())
def test_on_every_byte_in_huffman_code(text, plain_only):
    text = bytes(byte % 95 + 32 for byte in text) if plain_only else text
    assert_same(frames.header_frames(hpack.Encoder().encode([*GET, (b"x-a", text)], huffman=True), 1, True))


def test_a_block_that_is_left_to_python_leaves_the_table_as_it_was():
    table, encoder = twin.Table(), hpack.Encoder()
    received = [frames.header_frames(encoder.encode([*GET, (b"x-%d" % n, b"v" * 300)]), 1, True) for n in range(40)]
    for head in received:
        assert twin.read_plain(table, head, 0, True, LIMITS, []) == len(head)
    before, size = entries(table), table.size
    odd = frames.header_frames(
        encoder.encode([*GET, *((b"y-%d" % n, b"w" * 300) for n in range(30)), (b"te", b"x")]), 1, True
    )

    assert twin.read_plain(table, odd, 0, True, LIMITS, []) == 0

    assert (entries(table), table.size) == (before, size)


def test_what_calls_need_is_read_without_python():
    head = [*POST, (b"te", b"trailers"), (b"content-type", b"application/grpc"), (b"x-forwarded-for", b"1.1.1.1")]
    answer = [*OK, (b"content-type", b"application/grpc"), (b"grpc-status", b"0")]
    trailers = [(b"grpc-status", b"0"), (b"grpc-message", b"")]
    for requests, pairs in ((True, head), (False, answer), (False, trailers)):
        for huffman in (False, True):
            frame = frames.header_frames(hpack.Encoder().encode(pairs, huffman=huffman), 1, not requests)
            assert twin.read_plain(twin.Table(), frame, 0, requests, LIMITS, []) == len(frame)


@pytest.mark.parametrize("arguments", [(), (None,) * 6, (twin.Table(), b"", 0, 1, LIMITS, [])])
def test_what_it_is_not_meant_for_is_an_error(arguments):
    with pytest.raises(TypeError):
        twin.read_plain(*arguments)


@pytest.mark.parametrize("at", [-1, 10, 2**62])
def test_an_offset_beyond_the_data_is_the_answer(at):
    assert twin.read_plain(twin.Table(), b"abc", at, True, LIMITS, []) == at


def test_a_table_is_never_larger_than_its_setting():
    with pytest.raises(ValueError, match="0 to 4096"):
        twin.Table().resize(4097)


HEAD = frames.header_frames(
    hpack.Encoder().encode([*POST, (b"x-a", b"1" * 600), (b"te", b"trailers"), (b"x-real-ip", b"1.2.3.4")]), 301, False
)
ANSWER = frames.header_frames(hpack.Encoder().encode([*OK, (b"x-a", b"1" * 600)]), 301, False)
END = frames.header_frames(hpack.Encoder().encode([(b"x-a", b"1" * 600)]), 301, True)
BODY = frames.data_header(3, 301, False) + b"abc" + frames.window_update(301, 5)
WORK = {
    "request": lambda: twin.read_plain(twin.Table(), HEAD + BODY, 0, True, LIMITS, []),
    "response": lambda: twin.read_plain(twin.Table(), ANSWER + BODY + END, 0, False, LIMITS, []),
    "sending": lambda: twin.response_headers(Response(200, Fields(b"a: b\r\n"), 3), b"", 301, False),
    "left": lambda: twin.read_plain(twin.Table(), HEAD[:-4], 0, True, LIMITS, []),
}
SHARED = (*counted_types(Request, Response, Fields), frames.Frame, frames.Trailers, None, True, False)


def references():
    gc.collect()
    return [sys.getrefcount(value) for value in SHARED]


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_what_it_makes_is_freed_with_its_last_reference(work):
    for _ in range(100):
        work()
    before, blocks = references(), sys.getallocatedblocks()

    for _ in range(2000):
        work()

    assert all(abs(now - then) < 50 for now, then in zip(references(), before, strict=True))
    assert sys.getallocatedblocks() - blocks < 200


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_memory_that_fails_at_any_step_is_an_error_and_nothing_is_left(work):
    testcapi = pytest.importorskip("_testcapi", reason="this Python was built without its test modules")
    work()
    before, blocks, failures = references(), sys.getallocatedblocks(), 0

    for step in range(60):
        testcapi.set_nomemory(step, step + 1)
        try:
            work()
        except OUT_OF_MEMORY:
            failures += 1
        finally:
            testcapi.remove_mem_hooks()

    assert failures
    assert all(abs(now - then) < 20 for now, then in zip(references(), before, strict=True))
    assert sys.getallocatedblocks() - blocks < 100


def test_what_it_makes_is_seen_by_the_collector():
    found = []
    twin.read_plain(twin.Table(), HEAD, 0, True, LIMITS, found)

    assert all(map(gc.is_tracked, (found[0].payload, found[0].payload.fields)))


def test_on_mutations_of_a_connection():
    chance = random.Random(7)
    whole = (
        HEAD
        + BODY
        + HEAD
        + END
        + frames.settings([(1, 0)])
        + frames.ping(b"12345678")
        + frames.rst_stream(1, codes.CANCEL)
    )
    for _ in range(3000):
        received = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(received))
            received[at : at + chance.randint(0, 2)] = bytes([chance.randrange(256)]) * chance.randint(0, 2)
        assert_same(bytes(received))
