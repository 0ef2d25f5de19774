"""Trusted sources: the clients whose X-Forwarded-For and related fields are accepted, by address or by the namespace
of the calling pod. The fields of all other clients are replaced.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from nodeproxy.mesh.address import Range


@dataclass(frozen=True, slots=True)
class Trust:
    """The trusted sources; none by default."""

    ranges: tuple[Range, ...] = ()
    namespaces: frozenset[str] = frozenset()

    def includes(self, address: str, namespace: str) -> bool:
        """Whether the client at `address`, a pod of `namespace` ("" if unknown), is trusted."""
        return namespace in self.namespaces or (bool(self.ranges) and self._covers(address))

    def _covers(self, text: str) -> bool:
        address: IPv4Address | IPv6Address = ip_address(text)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in each for each in self.ranges)


TRUST_NONE = Trust()
