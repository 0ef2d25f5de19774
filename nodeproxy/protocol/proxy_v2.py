"""The header of the PROXY protocol, version 2: the addresses of a connection, sent before its first byte.

Source: The PROXY protocol, versions 1 & 2 (haproxy.org, proxy-protocol.txt, 2.2).
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import pack

Address = tuple[str, int]
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_LOCAL, _PROXY = 0x20, 0x21  # version 2 with the command
_UNSPECIFIED, _TCP4, _TCP6 = 0x00, 0x11, 0x21  # address family with the transport

LOCAL = _SIGNATURE + pack("!BBH", _LOCAL, _UNSPECIFIED, 0)
"""The header of a connection that the proxy makes on its own account, such as a health check."""


def header(source: Address, destination: Address) -> bytes:
    """The header of a TCP connection from `source` to `destination`, each an IP address and a port.

    Of different families, the IPv4 address is written as the IPv6 address that stands for it (RFC 4291, 2.5.5.2).
    """
    one, other = ip_address(source[0].partition("%")[0]), ip_address(destination[0].partition("%")[0])
    if isinstance(one, IPv4Address) and isinstance(other, IPv4Address):
        family, addresses = _TCP4, one.packed + other.packed
    else:
        family, addresses = _TCP6, _as_ipv6(one) + _as_ipv6(other)
    addresses += pack("!HH", source[1], destination[1])
    return _SIGNATURE + pack("!BBH", _PROXY, family, len(addresses)) + addresses


def _as_ipv6(address: IPv4Address | IPv6Address) -> bytes:
    return bytes(10) + b"\xff\xff" + address.packed if isinstance(address, IPv4Address) else address.packed
