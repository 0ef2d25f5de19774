"""Which clients are believed when they say for whom they speak (X-Forwarded-For and its kin): some sources, by address
or by the namespace of the calling pod. All others speak for themselves alone.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from nodeproxy.mesh.address import Range


@dataclass(frozen=True, slots=True)
class Trust:
    """The sources that are trusted; none by default."""

    ranges: tuple[Range, ...] = ()
    namespaces: frozenset[str] = frozenset()

    def includes(self, address: str, namespace: str) -> bool:
        """Whether a client at `address` is trusted, which is a pod of `namespace`, or of none that is known: ""."""
        return namespace in self.namespaces or (bool(self.ranges) and self._covers(address))

    def _covers(self, text: str) -> bool:
        address: IPv4Address | IPv6Address = ip_address(text)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in each for each in self.ranges)


TRUST_NONE = Trust()
