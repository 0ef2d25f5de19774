"""The header of the PROXY protocol, byte for byte as its text has it."""

import pytest

from nodeproxy.protocol.proxy_v2 import LOCAL, header

SIGNATURE = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"
MAPPED = bytes(10) + b"\xff\xff"


def test_of_ipv4():
    written = header(("10.1.2.3", 40000), ("127.77.9.4", 5432))

    assert written == SIGNATURE + b"\x21\x11\x00\x0c" + b"\x0a\x01\x02\x03" + b"\x7f\x4d\x09\x04" + b"\x9c\x40\x15\x38"


def test_of_ipv6():
    written = header(("fd00::1", 1), ("fd00::2", 65535))

    assert written[:16] == SIGNATURE + b"\x21\x21\x00\x24"
    assert written[16:] == b"\xfd" + bytes(14) + b"\x01" + b"\xfd" + bytes(14) + b"\x02" + b"\x00\x01\xff\xff"


@pytest.mark.parametrize(
    ("source", "destination", "addresses"),
    [
        ("10.0.0.1", "fd00::2", MAPPED + b"\x0a\x00\x00\x01" + b"\xfd" + bytes(14) + b"\x02"),
        ("fd00::2", "10.0.0.1", b"\xfd" + bytes(14) + b"\x02" + MAPPED + b"\x0a\x00\x00\x01"),
    ],
)
def test_of_two_families_both_are_ipv6(source, destination, addresses):
    written = header((source, 1), (destination, 2))

    assert written[12:16] == b"\x21\x21\x00\x24" and written[16:48] == addresses


def test_the_zone_of_a_link_local_address_is_left_out():
    assert header(("fe80::1%eth0", 1), ("fe80::2", 2)) == header(("fe80::1", 1), ("fe80::2", 2))


def test_the_length_is_that_of_what_follows():
    for source, destination in (("10.0.0.1", "10.0.0.2"), ("fd00::1", "10.0.0.2")):
        written = header((source, 1), (destination, 2))
        assert int.from_bytes(written[14:16]) == len(written) - 16


def test_of_the_proxys_own_connections():
    assert LOCAL == SIGNATURE + b"\x20\x00\x00\x00"
