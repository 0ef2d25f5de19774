"""Field blocks are decoded to what the library hpack encodes, with the same table; and the examples of RFC 7541."""

import hpack
import pytest
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import given
from hypothesis import strategies as st

from nodeproxy.protocol.http2.codes import COMPRESSION_ERROR
from nodeproxy.protocol.http2.errors import ConnectionBroken
from nodeproxy.protocol.http2.hpack import encoder, huffman, integers
from nodeproxy.protocol.http2.hpack.decoder import decoded
from nodeproxy.protocol.http2.hpack.static_table import ENTRIES, NAMES
from nodeproxy.protocol.http2.hpack.table import TABLE_BYTES, Table
from tests.fakes.http2_blocks import entries

MANY = 2**20
NAME = st.sampled_from([*NAMES, b"x-a", b"grpc-status"]) | st.binary(min_size=1, max_size=40)
VALUE = st.sampled_from([b"", b"GET", b"/", b"200", b"x" * 1000, b"y" * 2500, b"z" * TABLE_BYTES]) | st.binary(
    max_size=40
)
PAIRS = st.lists(st.tuples(NAME, VALUE, st.booleans()), max_size=12)
SIZES = st.lists(st.integers(0, TABLE_BYTES), max_size=2, unique=True)
BLOCKS = st.lists(st.tuples(SIZES, PAIRS, st.booleans()), max_size=6)


def sent(library, sizes, pairs, in_huffman):
    """A block as the library encodes it, after it changed its table's size."""
    for size in sizes:
        library.header_table_size = size
    made = [hpack.NeverIndexedHeaderTuple(name, value) if secret else (name, value) for name, value, secret in pairs]
    return library.encode(made, huffman=in_huffman)


@given(BLOCKS)
def test_what_the_library_encodes_is_decoded_and_the_tables_agree(codec, blocks):
    library, table = hpack.Encoder(), codec.Table()
    for sizes, pairs, in_huffman in blocks:
        read = decoded(sent(library, sizes, pairs, in_huffman), table, MANY, MANY)

        theirs = library.header_table
        assert read == [(name, value) for name, value, _ in pairs]
        assert entries(table) == list(theirs.dynamic_entries)
        assert (table.size, table.most, len(table)) == (
            theirs._current_size,
            theirs.maxsize,
            len(theirs.dynamic_entries),
        )


@given(BLOCKS, st.data())
def test_a_block_changed_at_random_means_what_it_means_to_the_library_or_nothing(codec, blocks, data):
    library, theirs, ours = hpack.Encoder(), hpack.Decoder(max_header_list_size=MANY), codec.Table()
    for sizes, pairs, in_huffman in blocks:
        received = bytearray(sent(library, sizes, pairs, in_huffman))
        for _ in range(data.draw(st.integers(0, 3)) if received else 0):
            received[data.draw(st.integers(0, len(received) - 1))] = data.draw(st.integers(0, 255))
        try:
            read = decoded(bytes(received), ours, MANY, MANY)
        except ConnectionBroken:
            return
        assert read == [tuple(pair) for pair in theirs.decode(bytes(received), raw=True)]
        assert entries(ours) == list(theirs.header_table.dynamic_entries)


@given(st.lists(st.tuples(NAME, VALUE)))
def test_the_library_decodes_what_is_sent_and_no_table_is_used(pairs):
    library = hpack.Decoder(max_header_list_size=MANY)

    block = b"".join(
        encoder.field(name, value) if name[:1] != b":" else encoder.pseudo(name, value) for name, value in pairs
    )

    assert [tuple(pair) for pair in library.decode(block, raw=True)] == pairs
    assert not library.header_table.dynamic_entries


def test_secrets_are_sent_as_never_to_be_indexed():
    for name in (b"authorization", b"proxy-authorization", b"cookie", b"set-cookie"):
        (pair,) = hpack.Decoder().decode(encoder.field(name, b"x"), raw=True)

        assert isinstance(pair, hpack.NeverIndexedHeaderTuple)


@given(st.binary(max_size=300))
def test_every_string_survives_the_huffman_code(text):
    coder = hpack.Encoder().huffman_coder

    assert huffman.decoded(coder.encode(text)) == text


def test_the_huffman_code_is_that_of_the_rfc():
    code, length, codes = 0, 0, {}
    for bits, symbols in huffman.SYMBOLS:
        code <<= bits - length
        length = bits
        for symbol in symbols:
            codes[symbol] = code, bits
            code += 1

    assert [codes[symbol] for symbol in range(256)] == list(zip(REQUEST_CODES, REQUEST_CODES_LENGTH, strict=True))[:256]
    assert (code, 30) == (REQUEST_CODES[256], REQUEST_CODES_LENGTH[256])


def test_the_static_table_is_that_of_the_library():
    assert tuple(hpack.table.HeaderTable.STATIC_TABLE) == ENTRIES
    assert [Table().get(index) for index in range(1, 62)] == list(ENTRIES)


@given(st.integers(0, 2**32), st.integers(1, 8))
def test_integers_survive(value, bits):
    made = integers.encoded(value, bits)

    assert integers.decoded(b"\x00" + made + b"\xff", 1, bits) == (value, 1 + len(made))


@pytest.mark.parametrize(("value", "bits", "made"), [(10, 5, "0a"), (1337, 5, "1f9a0a"), (42, 8, "2a")])
def test_integers_of_the_rfc(value, bits, made):  # RFC 7541, C.1
    assert integers.encoded(value, bits).hex() == made
    assert integers.decoded(bytes.fromhex(made), 0, bits)[0] == value


# RFC 7541, C.2 to C.6: blocks in order for one decoder, with the fields and the table after each.
CUSTOM = (b"custom-key", b"custom-value")
REQUEST = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")]
SECOND = [*REQUEST, (b"cache-control", b"no-cache")]
THIRD = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/index.html"), REQUEST[3], CUSTOM]
DATE, LATER = (b"date", b"Mon, 21 Oct 2013 20:13:21 GMT"), (b"date", b"Mon, 21 Oct 2013 20:13:22 GMT")
PRIVATE, LOCATION = (b"cache-control", b"private"), (b"location", b"https://www.example.com")
COOKIE = (b"set-cookie", b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1")
FOUND = [(b":status", b"302"), PRIVATE, DATE, LOCATION]
NOT_MODIFIED = [(b":status", b"307"), *FOUND[1:]]
FINE = [(b":status", b"200"), PRIVATE, LATER, LOCATION, (b"content-encoding", b"gzip"), COOKIE]
EXAMPLES = {
    "C.2.1": [("400a637573746f6d2d6b65790d637573746f6d2d686561646572", [(b"custom-key", b"custom-header")], 55)],
    "C.2.2": [("040c2f73616d706c652f70617468", [(b":path", b"/sample/path")], 0)],
    "C.2.3": [("100870617373776f726406736563726574", [(b"password", b"secret")], 0)],
    "C.2.4": [("82", [(b":method", b"GET")], 0)],
    "C.3": [
        ("828684410f7777772e6578616d706c652e636f6d", REQUEST, 57),
        ("828684be58086e6f2d6361636865", SECOND, 110),
        ("828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", THIRD, 164),
    ],
    "C.4": [
        ("828684418cf1e3c2e5f23a6ba0ab90f4ff", REQUEST, 57),
        ("828684be5886a8eb10649cbf", SECOND, 110),
        ("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", THIRD, 164),
    ],
    "C.5": [
        (
            "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f"
            "2f7777772e6578616d706c652e636f6d", FOUND, 222,
        ),
        ("4803333037c1c0bf", NOT_MODIFIED, 222),
        (
            "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b"
            "425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31", FINE, 215,
        ),
    ],
    "C.6": [
        ("488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
         FOUND, 222),
        ("4883640effc1c0bf", NOT_MODIFIED, 222),
        (
            "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af2708"
            "7f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007", FINE, 215,
        ),
    ],
}  # fmt: skip


@pytest.mark.parametrize("blocks", EXAMPLES.values(), ids=EXAMPLES)
@pytest.mark.parametrize("most", [256, TABLE_BYTES])
def test_the_examples_of_the_rfc(codec, blocks, most):
    table = codec.Table()
    table.resize(most)
    for received, fields, size in blocks:
        assert decoded(bytes.fromhex(received), table, MANY, MANY) == fields
        assert most > 256 or table.size == size  # with 256 bytes responses evict, as there


# RFC 7541, by section: blocks that end the connection.
MALFORMED = {
    "2.3.3, index beyond the tables": "be",
    "2.3.3, index of a name beyond the tables": "7f0061",
    "4.2, an update behind a field": "8220",
    "4.2, three updates": "20213f0082",
    "5.1, an integer of six more bytes": "ff808080808000",
    "5.1, an integer without its end": "ff80",
    "5.1, an integer of one byte that is all ones": "ff",
    "5.2, a name longer than the block": "000561",
    "5.2, a value longer than the block": "0001610562",
    "5.2, a field without value": "000161",
    "5.2, a name without its size": "00",
    "5.2, padding of eight bits": "00016181ff",
    "5.2, padding that is not all ones": "0001618106",
    "5.2, EOS": "00016184fffffffc",
    "5.2, EOS behind a symbol": "000161851fffffffff",
    "6.1, index 0": "80",
    "6.3, a table larger than the setting": "3fe21f",
}
WITHOUT_LIMIT = {"4.2, three updates", "5.1, an integer of six more bytes"}  # in the library


@pytest.mark.parametrize("received", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_block_is_refused(codec, received):
    with pytest.raises(ConnectionBroken) as caught:
        decoded(bytes.fromhex(received), codec.Table(), MANY, MANY)

    assert caught.value.code == COMPRESSION_ERROR


@pytest.mark.parametrize("name", sorted(MALFORMED.keys() - WITHOUT_LIMIT))
def test_the_library_refuses_it_too(name):
    with pytest.raises(hpack.HPACKError):
        hpack.Decoder().decode(bytes.fromhex(MALFORMED[name]))


def test_the_largest_table_is_allowed(codec):
    table = codec.Table()

    assert decoded(bytes.fromhex("203fe11f82"), table, MANY, MANY) == [(b":method", b"GET")]
    assert table.most == TABLE_BYTES


@pytest.mark.parametrize("index", [0, -1, 62, 2**40])
def test_an_entry_that_is_not_there(codec, index):
    with pytest.raises(IndexError):
        codec.Table().get(index)


def test_an_entry_larger_than_the_table_empties_it(codec):
    table = codec.Table()
    table.add(b"a", b"1")
    table.add(b"b", b"x" * TABLE_BYTES)

    assert (len(table), table.size) == (0, 0)

    table.resize(33)
    table.add(b"a", b"")
    assert (entries(table), table.size) == ([(b"a", b"")], 33)
