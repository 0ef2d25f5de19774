from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis.strategies import integers, ip_addresses, text

from nodeproxy.mesh.address import HEADLESS_RANGE, MESH_RANGE, address_range, headless_address, virtual_address
from nodeproxy.settings import Settings


def test_the_address_is_the_range_and_the_low_bits_of_the_cluster_ip():
    assert virtual_address("10.96.3.17", MESH_RANGE) == "127.77.3.17"


def test_the_low_bits_of_an_ipv6_cluster_ip_fit_an_ipv4_range():
    assert virtual_address("fd00::1:20", MESH_RANGE) == "127.77.0.32"


def test_an_ipv6_range_keeps_all_bits_it_has_room_for():
    assert virtual_address("10.96.3.17", address_range("fd77::/64")) == "fd77::a60:311"


@given(cluster_ip=ip_addresses(), prefix=integers(8, 30))
def test_every_address_lies_inside_the_range_and_is_neither_its_first_nor_its_last(cluster_ip, prefix):
    mesh_range = ip_network((0x7F000000, prefix), strict=False)

    address = ip_address(virtual_address(str(cluster_ip), mesh_range))

    assert address in mesh_range
    assert address not in (mesh_range.network_address, mesh_range.broadcast_address)


@given(offset=integers(1, 2**16 - 2))
def test_a_range_as_wide_as_the_service_range_gives_no_address_twice(offset):
    service_range = ip_network("10.96.0.0/16")

    address = virtual_address(str(service_range[offset]), MESH_RANGE)

    assert address == str(MESH_RANGE[offset])


@given(key=text())
def test_a_headless_service_has_one_address_inside_its_range(key):
    address = headless_address(key, HEADLESS_RANGE)

    assert ip_address(address) in HEADLESS_RANGE
    assert address == headless_address(key, HEADLESS_RANGE)
    assert address not in ("127.78.0.0", "127.78.255.255")


def test_the_headless_address_of_a_key_never_changes_between_releases():
    assert headless_address("shop/reviews", HEADLESS_RANGE) == "127.78.64.199"
    assert headless_address("shop/cart", HEADLESS_RANGE) == "127.78.193.176"


def test_the_narrowest_range_has_two_addresses_between_its_first_and_last():
    assert virtual_address("10.96.3.17", address_range("127.77.0.0/30")) == "127.77.0.1"


def test_the_two_default_ranges_do_not_overlap_and_are_the_same_for_both_programs():
    node = Settings()
    ranges = address_range(node.mesh_range), address_range(node.headless_range)

    assert not ranges[0].overlaps(ranges[1])
    assert ranges == (MESH_RANGE, HEADLESS_RANGE)  # discovery's


@pytest.mark.parametrize("text", ["127.77.0.0/31", "127.77.0.1/16", "127.77.0.0/33", "mesh"])
def test_a_range_without_room_or_sense_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        address_range(text)
