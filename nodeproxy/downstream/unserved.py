"""Virtual addresses without a listener, each with the service that needs it."""

from collections.abc import Set
from itertools import islice
from typing import NamedTuple

from nodeproxy.mesh.model import Transport


class Address(NamedTuple):
    """A port of a virtual address."""

    host: str
    port: int
    transport: Transport = "tcp"


class Unserved:
    """The unserved addresses, in the order of failure. The cost of a look-up depends on one service only."""

    def __init__(self) -> None:
        self._owner: dict[Address, str] = {}
        self._of: dict[str, set[Address]] = {}

    def __len__(self) -> int:
        return len(self._owner)

    def __contains__(self, address: Address) -> bool:
        return address in self._owner

    def owners(self, most: int | None = None) -> list[str]:
        """The services of the first `most` addresses."""
        return list(dict.fromkeys(islice(self._owner.values(), most)))

    def put(self, address: Address, key: str) -> None:
        """Record that `address` of the service `key` is not served."""
        if self._owner.get(address) != key:
            self.drop(address)
            self._owner[address] = key
            self._of.setdefault(key, set()).add(address)

    def drop(self, address: Address) -> None:
        """Remove `address`: it is served now, or no longer needed."""
        key = self._owner.pop(address, None)
        if key is not None:
            self._of[key].discard(address)
            if not self._of[key]:
                del self._of[key]

    def keep(self, key: str, wanted: Set[Address]) -> None:
        """Remove all addresses of the service `key` except `wanted`."""
        for address in self._of.get(key, set()) - wanted:
            self.drop(address)

    def clear(self) -> None:
        """Remove all addresses."""
        self._owner.clear()
        self._of.clear()
