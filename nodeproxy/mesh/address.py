"""Virtual addresses: the address of a service inside the mesh, the same on every node without allocation.

An address depends on one service alone, so two services may get the same one; discovery, which has all services,
resolves the conflict.
"""

from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Range = IPv4Network | IPv6Network

# On Linux every address of 127/8 is local without a route and without privilege; 77 avoids 127.0.0.1,
# systemd-resolved's 127.0.0.53 and Debian's 127.0.1.1. A /16 each, as large as most clusters' service range.
MESH_RANGE = IPv4Network("127.77.0.0/16")
HEADLESS_RANGE = IPv4Network("127.78.0.0/16")

_HASH_BYTES = 8  # far more bits than any range has, so that the remainder is even


def address_range(text: str) -> Range:
    """The range that `text` denotes in CIDR notation.

    Raises:
        ValueError: not a CIDR, host bits set, or too narrow for an address beside its first and last.
    """
    found = ip_network(text)
    if found.num_addresses < 4:
        raise ValueError(f"{text} has no room for addresses; a range needs at least 2 bits, better 16")
    return found


def virtual_address(cluster_ip: str, mesh_range: Range) -> str:
    """The mesh address of the service with this ClusterIP: the range's base and the ClusterIP's low bits.

    In a range as wide as the cluster's service range no two services therefore have the same address. If the low bits
    are those of the range's first or last address, a hash of the ClusterIP replaces them.

    Raises:
        ValueError: `cluster_ip` is not an address.
    """
    low_bits = int(ip_address(cluster_ip)) & int(mesh_range.hostmask)
    if low_bits in (0, mesh_range.num_addresses - 1):
        return _hashed(cluster_ip, mesh_range)
    return str(mesh_range[low_bits])


def headless_address(key: str, headless_range: Range) -> str:
    """The mesh address of a service without ClusterIP: a hash of its key, `<namespace>/<name>`, in the range."""
    return _hashed(key, headless_range)


def _hashed(text: str, within: Range) -> str:
    digest = blake2b(text.encode(), digest_size=_HASH_BYTES).digest()
    return str(within[1 + int.from_bytes(digest, "big") % (within.num_addresses - 2)])
