"""Hostile header blocks end early: the work they cause is counted in fields and entries, not in time."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeproxy.errors import HeadTooLarge
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2 import codes, frames, plain
from nodeproxy.protocol.http2.errors import ConnectionBroken
from nodeproxy.protocol.http2.hpack.decoder import BOMB_FACTOR, decoded
from nodeproxy.protocol.http2.hpack.table import OVERHEAD_BYTES, TABLE_BYTES, Table
from nodeproxy.protocol.http2.reader import FrameReader
from tests.fakes.http2_blocks import GET, LIMITS, block

ENTRY = 4000  # bytes of a value that fills the table
BOMB = b"\x40\x01a\x7f\xa1\x1e" + b"x" * ENTRY + b"\xbe" * 10_000


class Counting:
    """A table that counts what is done with it."""

    def __init__(self):
        self._table = Table()
        self.steps = 0

    def __len__(self):
        return len(self._table)

    @property
    def size(self):
        return self._table.size

    def get(self, index):
        self.steps += 1
        return self._table.get(index)

    def add(self, name, value):
        before = len(self)
        self._table.add(name, value)
        self.steps += 1 + max(0, before + 1 - len(self))

    def resize(self, most):
        self.steps += 1
        self._table.resize(most)


def attack(codec, received, limits=LIMITS):
    """A reader that was sent a block in frames of the largest size, and the frames it made of it."""
    reader = FrameReader("requests", limits, codec)
    return reader, reader.feed(frames.header_frames(received, 1, True))


def steps(received, limits=LIMITS):
    """What a block costs the Python version: entries that were read, added, evicted."""
    tables = []
    reader = FrameReader("requests", limits, SimpleNamespace(
        Table=lambda: tables.append(Counting()) or tables[0], read_plain=plain.read_plain
    ))  # fmt: skip
    reader.feed(frames.header_frames(received, 1, True))
    return tables[0].steps


BOMBS = {
    "a large entry again and again": (BOMB, codes.ENHANCE_YOUR_CALM, BOMB_FACTOR * LIMITS.head_bytes // ENTRY + 2),
    "small static entries": (b"\x90" * 60_000, codes.ENHANCE_YOUR_CALM, BOMB_FACTOR * LIMITS.head_bytes // 40),
    "the table's size again and again": (b"\x20" * 60_000, codes.COMPRESSION_ERROR, 2),
    "the table's size back and forth": (b"\x20\x3f\xe1\x1f" * 15_000, codes.COMPRESSION_ERROR, 2),
    "small entries, all added": (b"\x40\x00\x00" * 20_000, codes.ENHANCE_YOUR_CALM, 2.1 * BOMB_FACTOR * 2048),
}  # fmt: skip


@pytest.mark.parametrize(("received", "code", "most"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_ends_its_connection_within_few_steps(codec, received, code, most):
    reader, read = attack(codec, received)

    assert (reader.broken.code, read) == (code, [])
    assert 0 < steps(received) <= most


def test_a_list_beyond_its_limit_and_below_a_bomb_is_refused_and_its_table_remains(codec):
    limits = HeadLimits(head_bytes=2 * ENTRY)
    received = block(*GET) + b"\x40\x01a\x7f\xa1\x1e" + b"x" * ENTRY + b"\xbe" * 2

    reader, (read,) = attack(codec, received, limits)

    assert type(read.payload) is HeadTooLarge
    (again,) = reader.feed(frames.header_frames(b"\x82\x86\x84\x01\x01m\xbe", 3, True))
    assert again.payload.fields.get(b"a") == b"x" * ENTRY


@given(
    st.binary(max_size=400)
    | st.lists(st.sampled_from((b"\x90", b"\xbe", b"\x40\0\0", b"\x20", b"\x7f\x00\x00"))).map(b"".join)
)
def test_no_block_costs_more_steps_than_it_has_bytes(received):
    table = Counting()
    try:
        pairs = decoded(received, table, 2**20, 2**20)
    except ConnectionBroken:
        pairs = []

    assert table.steps <= 2 * len(received)
    assert table.size <= TABLE_BYTES and len(table) * OVERHEAD_BYTES <= table.size
    assert pairs is not None


@given(st.binary(max_size=2000), st.integers(1, 300))
def test_a_connection_holds_no_more_than_a_frame_and_a_block(codec, received, size):
    reader = FrameReader("requests", HeadLimits(head_bytes=1000), codec)
    for at in range(0, len(received), size):
        reader.feed(received[at : at + size])

    assert len(reader._held) < codes.FRAME_BYTES + 9
    assert reader.broken is None or not reader._held


def test_lists_that_are_too_large_are_not_kept(codec):
    received = block(*GET) + b"\x00\x01a\x7f\xa1\x1e" + b"x" * ENTRY

    reader, (read,) = attack(codec, received, HeadLimits(head_bytes=ENTRY // 2))

    assert (type(read.payload), reader.broken) == (HeadTooLarge, None)
    assert b"xxx" not in str(read.payload).encode()


@pytest.mark.parametrize("chunk", [b"", b"x"])
def test_many_small_continuations_end_the_connection(codec, chunk):
    reader = FrameReader("requests", LIMITS, codec)
    small = frames.header(len(chunk), codes.CONTINUATION, 0, 1) + chunk

    read = reader.feed(frames.header(0, codes.HEADERS, 0, 1) + small * 1000)

    assert (read, reader.broken.code) == ([], codes.ENHANCE_YOUR_CALM)
