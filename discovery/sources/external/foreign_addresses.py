"""Which addresses an ExternalName may resolve to. Pure.

The author of a Service chooses the name, and the name's owner its addresses, at any time. The proxy connects from the
host network, where loopback and link-local addresses reach services that trust the host: admin pages, a cloud's
metadata with the node's credentials. Such addresses are refused (CVE-2021-32783: Contour's Envoy, its admin interface
through a Service named localhost).
"""

from collections.abc import Collection
from ipaddress import IPv6Network, ip_address

from discovery.sources.external.slices import Address
from nodeproxy.mesh.address import Range

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052, 2.1: an IPv4 address in the last 32 bits

# Clouds' metadata services outside the link-local ranges.
_CLOUD = {
    ip_address("168.63.129.16"): "Azure's WireServer",
    ip_address("100.100.100.200"): "Alibaba Cloud's metadata",
    ip_address("192.0.0.192"): "Oracle Cloud Classic's metadata",
    ip_address("fd00:c1::a9fe:a9fe"): "Oracle Cloud's metadata",
    ip_address("fd00:ec2::254"): "EC2's metadata",
    ip_address("fd00:ec2::23"): "EKS's credentials for pods",
    ip_address("fd20:ce::254"): "Google Cloud's metadata",
    ip_address("fd00:42::42"): "Scaleway's metadata",
}


def refusal(address: Address, own_ranges: Collection[Range], *, loopback_allowed: bool) -> str:
    """The reason why `address` is refused, "" if it is allowed.

    `own_ranges` are the mesh's: a request there would loop. Loopback is allowed for a folder of YAML on a laptop,
    whose author owns the host.
    """
    meant = _meant(address)
    if meant in _CLOUD:
        return f"it is {_CLOUD[meant]}"
    if any(each.version == ranges.version and each in ranges for ranges in own_ranges for each in (address, meant)):
        return "it lies in the mesh's own ranges"
    if meant.is_loopback:
        return "" if loopback_allowed else "it is a loopback address of the node"
    if meant.is_unspecified or int(meant) >> 24 == 0:  # 0.0.0.0/8: "this host" (RFC 1122, 3.2.1.3)
        return "it is no address of a host"
    if meant.is_link_local:
        return "it is a link-local address, as those of a cloud's metadata are"
    return "it is a multicast address" if meant.is_multicast else ""


def _meant(address: Address) -> Address:
    """The IPv4 address embedded in an IPv6 one, else the address itself."""
    if address.version == 6:
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ip_address(int(address) & 0xFFFFFFFF)
    return address
