"""Redis commands in the bytes that a client sends: how many of each, however those are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeproxy.protocol.redis.commands import CommandReader
from nodeproxy.protocol.redis.names import LONGEST, NAMES, OTHER

KEPT_MOST = 64  # bytes between two pieces


def command(*words):
    """A command as clients send it."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class Client:
    """A reader, and what it has counted."""

    def __init__(self):
        self.counts, self.given_up = {}, 0
        self.reader = CommandReader(self.counts, self._give_up)

    def _give_up(self):
        self.given_up += 1

    def send(self, *pieces):
        for piece in pieces:
            self.reader.feed(piece)
            assert len(self.reader._kept) <= KEPT_MOST
        return self.counts


@pytest.mark.parametrize(
    ("sent", "counts"),
    [
        (command(b"GET", b"k"), {"get": 1}),
        (command(b"get", b"k") * 10_000, {"get": 10_000}),
        (command(b"SET", b"k", b"*1\r\n$3\r\nGET\r\n") + command(b"PING"), {"set": 1, "ping": 1}),
        (command(b"SET", b"k", bytes(1 << 20)) + command(b"CONFIG", b"GET", b"*"), {"set": 1, "config": 1}),
        (command(b"FT.SEARCH", b"i", b"q") + command(b"\xff\xfe") + command(b"") + command(b"G" * 9999), {OTHER: 4}),
        (command(b"ping") + b"*0\r\n*-1\r\n\r\n" + command(b"ping"), {"ping": 2}),
        (b"PING\r\n  set k  v\nget k\r\n\r\n", {"ping": 1, "set": 1, "get": 1}),
        (b"PING\r\n" + command(b"PING") + b"QUIT\r\n", {"ping": 2, "quit": 1}),
        (b"x" * 5000 + b" " + b"y" * 100_000 + b"\nPING\n", {OTHER: 1, "ping": 1}),
        (b"GET k", {"get": 1}),
        (b"GET", {}),
        (b"", {}),
    ],
)
def test_commands_are_counted_by_name(sent, counts):
    client = Client()

    assert client.send(sent) == counts
    assert client.reader.readable


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"*x\r\n",
        b"*1\r\n:3\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\n",
        b"*" + b"1" * 20,
        b"\0",
        b"pi\xc3\xa4ng\r\n",
    ],
)
def test_a_connection_that_speaks_something_else_is_given_up_once(sent):
    client = Client()

    client.send(command(b"PING"), sent, command(b"PING"))

    assert (client.counts, client.given_up, client.reader.readable) == ({"ping": 1}, 1, False)


def test_an_argument_that_is_never_sent_whole_is_not_kept():
    client = Client()

    client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000000\r\n", *[bytes(65536)] * 100)

    assert (client.counts, client.reader._kept) == ({"set": 1}, b"")


def test_a_piece_may_be_a_view_of_a_buffer_that_is_used_again():
    client, buffer = Client(), bytearray(b"*1\r\n$4\r\nPI")

    client.send(memoryview(buffer))
    buffer[:4] = b"NG\r\n"
    client.send(memoryview(buffer)[:4])

    assert client.counts == {"ping": 1}


def test_every_name_fits():
    assert max(map(len, NAMES)) == LONGEST
    assert all(name == name.lower() and NAMES[name] == name.decode() for name in NAMES)
    assert OTHER.encode() not in NAMES


def cut(data, places):
    """The pieces between these places of `data`."""
    ends = [*sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


WORDS = st.lists(st.one_of(st.sampled_from(sorted(NAMES)), st.binary(max_size=40)), min_size=1, max_size=4)
SPOKEN = st.one_of(
    WORDS.map(lambda words: command(*words)),
    st.sampled_from([b"PING\r\n", b"get  key\n", b"\r\n", b"*0\r\n", b"*-1\r\n", b"*2\r\n$3\r\nGET\r\n$5\r\nhe"]),
    st.binary(max_size=30),
    st.text("*$:0123456789-\r\n pPG", max_size=30).map(str.encode),
)


@given(st.lists(SPOKEN, max_size=8).map(b"".join), st.lists(st.integers(0, 400), max_size=20))
def test_whatever_is_sent_the_counts_do_not_depend_on_how_it_was_cut_and_have_known_names_alone(sent, places):
    whole, pieces = Client(), Client()

    whole.send(sent)
    pieces.send(*cut(sent, places))

    assert pieces.counts == whole.counts and pieces.given_up == whole.given_up <= 1
    assert set(whole.counts) <= {*NAMES.values(), OTHER}


@given(st.lists(WORDS, max_size=8), st.lists(st.integers(0, 400), max_size=20))
def test_well_formed_commands_are_counted_exactly(commands, places):
    client = Client()

    client.send(*cut(b"".join(command(*words) for words in commands), places))

    names = [NAMES.get(words[0].lower(), OTHER) for words in commands]
    assert client.counts == {name: names.count(name) for name in names}
