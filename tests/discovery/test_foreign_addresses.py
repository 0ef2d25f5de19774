"""The addresses that an ExternalName must not resolve to."""

from ipaddress import ip_address, ip_network

import pytest

from discovery.sources.external.foreign_addresses import refusal

RANGES = (ip_network("240.77.0.0/16"), ip_network("fd77::/64"))


def why_not(text, loopback_allowed=False):
    return refusal(ip_address(text), RANGES, loopback_allowed=loopback_allowed)


@pytest.mark.parametrize("text", ["192.0.2.1", "10.1.2.3", "172.16.0.1", "2001:db8::1", "fd00::1", "::ffff:192.0.2.1"])
def test_an_address_of_a_host_elsewhere_is_called(text):
    assert why_not(text) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("0.0.0.0", "no address of a host"),
        ("0.1.2.3", "no address of a host"),
        ("::", "no address of a host"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("240.77.3.4", "the mesh's own ranges"),
        ("::ffff:240.77.3.4", "the mesh's own ranges"),
        ("fd77::5", "the mesh's own ranges"),
        ("168.63.129.16", "Azure's WireServer"),
        ("fd00:ec2::254", "EC2's metadata"),
        ("fd20:ce::254", "Google Cloud's metadata"),
        ("fd00:c1::a9fe:a9fe", "Oracle Cloud's metadata"),
        ("::ffff:192.0.0.192", "Oracle Cloud Classic's metadata"),
    ],
)
def test_an_address_that_leads_into_the_node_or_back_here_is_refused(text, why):
    assert why in why_not(text)


@pytest.mark.parametrize("text", ["127.0.0.1", "::1"])
def test_loopback_is_called_on_a_laptop(text):
    assert why_not(text, loopback_allowed=True) == ""


@pytest.mark.parametrize("text", ["169.254.169.254", "0.0.0.0", "240.77.3.4"])
def test_everything_else_is_refused_on_a_laptop_too(text):
    assert why_not(text, loopback_allowed=True)
