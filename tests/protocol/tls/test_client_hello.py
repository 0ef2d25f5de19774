"""The server name of a ClientHello.

Whatever bytes come, in whatever pieces, the reader answers in bounded time, raises nothing, gives the same answer
however they are cut, and a name that it returns is a valid DNS name that stood in the bytes.
"""

import re
import socket
import ssl
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeproxy.protocol.tls.client_hello import HELLO_BYTES, ClientHello, HelloReader, Unread
from tests.fakes.hellos import extension, hello, name, names, real, record, records, vector

HOST = b"db.shop.mesh"
NAMED = ClientHello("db.shop.mesh", HOST)
GREASE = extension(0x0A0A) + extension(0x1A1A, b"\0")
ECH = extension(0xFE0D, b"\0" + bytes(200))
KEY_SHARE = extension(51, vector(2, b"\x11\xec" + vector(2, bytes(1216)), b"\x00\x1d" + vector(2, bytes(32))))
SSL2 = bytes.fromhex("802e010301001500000010") + bytes(64)
DNS = re.compile(
    r"(?=.{1,253}$)(?!.*\.?[0-9]+$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)


def read(data, cuts=()):
    """The answer to `data`, fed in pieces that end at these places; it must not change any more."""
    reader, found, at = HelloReader(), Unread.MORE, 0
    for end in [*sorted(cuts), len(data)]:
        before, found = found, reader.feed(data[at:end])
        assert before in (Unread.MORE, found)
        at = end
    return found


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"maximum_version": ssl.TLSVersion.TLSv1_2},
        {"minimum_version": ssl.TLSVersion.TLSv1_3},
        {"options": ssl.OP_NO_TICKET},
    ],
    ids=str,
)
def test_what_pythons_client_sends_is_read(options):
    sent = real("DB.Shop.mesh", **options)

    assert read(sent).server_name == "db.shop.mesh"
    assert read(sent, range(len(sent))).server_name == "db.shop.mesh"
    assert all(read(sent[:size]) is Unread.MORE for size in range(len(sent)))


def test_a_client_that_names_no_server_sends_a_hello_without_a_name():
    assert read(real(None)) == ClientHello("")


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (["-servername", "db.shop.mesh"], NAMED),
        (["-servername", "db.shop.mesh", "-tls1_2"], NAMED),
        (["-servername", "db.shop.mesh", "-tls1_3", "-groups", "P-521:P-384:X25519"], NAMED),
        (["-servername", "db.shop.mesh", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], NAMED),
        (["-servername", "db.shop.mesh", "-tls1", "-cipher", "ALL:@SECLEVEL=0"], NAMED),
        (["-servername", "db.shop.mesh", "-alpn", "h2,http/1.1", "-status", "-split_send_frag", "512"], NAMED),
        (["-noservername"], ClientHello("")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_openssl_sends_is_read(flags, found):
    sent = s_client(flags)

    assert read(sent) == found
    assert read(sent, range(len(sent))) == found


def s_client(flags):
    """The first bytes of `openssl s_client`, taken by a server that answers with an end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.getsockname()[1]}", *flags]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as client:
            accepted, _ = server.accept()
            with accepted:
                sent = accepted.recv(65536)
            client.communicate()
    return sent


@pytest.mark.parametrize(
    "message",
    [
        hello(names(name(HOST))),
        hello(GREASE, names(name(HOST)), GREASE),
        hello(ECH, names(name(HOST))),
        hello(KEY_SHARE, names(name(HOST)), extension(21, bytes(500))),
        hello(names(name(HOST)), version=b"\x03\x01", session=bytes(32)),
        hello(names(name(b"\0\0opaque", kind=9), name(HOST))),
        hello(names(name(HOST)), suites=bytes(2000)),
        hello(names(name(HOST)), extension(35, bytes(12_000))),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 5, 100, 16384])
def test_a_name_is_found_in_records_of_any_size(message, size):
    sent = records(message, size)
    if len(sent) > HELLO_BYTES:
        assert read(sent) is Unread.NOT_TLS
        return

    assert read(sent) == NAMED
    assert read(sent + b"early data") == NAMED
    assert read(sent, range(0, len(sent), 7)) == NAMED


@pytest.mark.parametrize("minor", range(256))
def test_the_minor_version_of_a_record_is_ignored(minor):
    assert read(record(hello(names(name(HOST))), version=bytes((3, minor)))) == NAMED


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (b"DB.shop.MESH", "db.shop.mesh"),
        (b"db.shop.mesh.", "db.shop.mesh"),
        (b"xn--bcher-kva.shop.mesh", "xn--bcher-kva.shop.mesh"),
        (b"localhost", "localhost"),
        (b"10.0.0.1", ""),
        (b"10.0.0.1.", ""),
        (b"1", ""),
        (b"a.0x7f", ""),
        (b"fd00::1", ""),
        (b"[fd00::1]", ""),
        (b"db.shop.mesh:443", ""),
        (b"db..mesh", ""),
        (b".", ""),
        (b"db.shop.mesh..", ""),
        (b"-db.mesh", ""),
        (b"db_1.mesh", ""),
        (b"b\xc3\xbccher.mesh", ""),
        (b"db.shop.mesh\0.example", ""),
        (b"db.shop.mesh\n", ""),
        (b"a" * 64 + b".mesh", ""),
        (b".".join([b"a" * 63] * 4), ""),
        (b".".join([b"a" * 63] * 3 + [b"a" * 61]), ".".join(["a" * 63] * 3 + ["a" * 61])),
    ],
)
def test_only_a_dns_name_is_a_name(said, found):
    assert read(record(hello(names(name(said))))) == ClientHello(found, said)


@pytest.mark.parametrize(
    "sent",
    [
        SSL2,
        b"GET / HTTP/1.1\r\n",
        b"\x16\x02\x00\x00\x05",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x17\x03\x03\x00\x10" + bytes(16),
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x40\x01",
        record(b"\x02\0\0\1\0"),
        record(b"\x01\x00\x40\x01"),
        record(hello()[:20]) + record(b"\x02\x28", kind=21),
        record(hello(names(name(HOST)), names(name(HOST)))),
        record(hello(names(name(HOST), name(b"web.shop.mesh")))),
        record(hello(names())),
        record(hello(extension(0))),
        record(hello(names(name(b"")))),
        record(hello(extension(0, vector(2, name(HOST)) + b"\0"))),
        record(hello(names(name(HOST)), version=b"\x04\x00")),
        record(hello(suites=b"\0")),
        record(hello(suites=b"")),
        record(hello(compression=b"")),
        record(b"\x01" + vector(3, hello()[4:] + b"\0")),
    ],
)
def test_what_is_no_hello_is_not_tls(sent):
    assert read(sent) is Unread.NOT_TLS
    assert read(sent, range(len(sent))) is Unread.NOT_TLS


def test_names_that_are_none_of_hosts_name_no_server():
    assert read(record(hello(names(name(b"opaque", kind=9))))) == ClientHello("")


def test_a_hello_without_extensions_names_no_server():
    assert read(record(b"\x01" + vector(3, hello()[4:-2]))) == ClientHello("")


PARTS = st.one_of(
    st.just(names(name(HOST))),
    st.builds(lambda host: names(name(host)), st.binary(max_size=300)),
    st.builds(lambda *hosts: names(*map(name, hosts)), st.binary(max_size=20), st.binary(max_size=20)),
    st.builds(extension, st.integers(0, 65535), st.binary(max_size=40)),
    st.sampled_from([GREASE, ECH, KEY_SHARE]),
)


@st.composite
def openings(draw):
    """Hellos with a byte or two changed, or anything."""
    sent = records(hello(*draw(st.lists(PARTS, max_size=5))), draw(st.sampled_from([1, 3, 40, 16384])))
    sent = bytearray(draw(st.sampled_from([sent, sent, draw(st.binary(max_size=300))])))
    for _ in range(draw(st.integers(0, 2))):
        if sent:
            sent[draw(st.integers(0, len(sent) - 1))] = draw(st.integers(0, 255))
    return bytes(sent) + draw(st.binary(max_size=20))


@given(data=st.data())
def test_whatever_comes_is_answered(data):
    sent = data.draw(openings())

    whole = read(sent)

    assert read(sent, data.draw(st.lists(st.integers(0, len(sent)), max_size=20))) == whole
    if isinstance(whole, ClientHello) and whole.server_name:
        assert DNS.fullmatch(whole.server_name)
        assert whole.server_name == whole.said.decode().lower().removesuffix(".")
        assert whole.said in b"".join(fragments(sent))


def fragments(sent):
    """What is in the records."""
    at = 0
    while at + 5 <= len(sent):
        size = int.from_bytes(sent[at + 3 : at + 5], "big")
        yield sent[at + 5 : at + 5 + size]
        at += 5 + size


def test_what_never_ends_is_given_up():
    endless = record(b"\x01\x00\x3f\x00") + record(b"\0") * HELLO_BYTES

    assert read(endless[: HELLO_BYTES - 1]) is Unread.MORE
    assert read(endless, range(0, HELLO_BYTES, 1000)) is Unread.NOT_TLS
