"""Virtual addresses that cannot be listened at, each with the service that would have it."""

from collections.abc import Set
from itertools import islice

Address = tuple[str, int]


class Unserved:
    """In the order in which they were missed. Looking at one service costs nothing for the others."""

    def __init__(self) -> None:
        self._owner: dict[Address, str] = {}
        self._of: dict[str, set[Address]] = {}

    def __len__(self) -> int:
        return len(self._owner)

    def __contains__(self, address: Address) -> bool:
        return address in self._owner

    def owners(self, most: int | None = None) -> list[str]:
        """The services of the first `most` of them."""
        return list(dict.fromkeys(islice(self._owner.values(), most)))

    def put(self, address: Address, key: str) -> None:
        """The service `key` is without `address`."""
        if self._owner.get(address) != key:
            self.drop(address)
            self._owner[address] = key
            self._of.setdefault(key, set()).add(address)

    def drop(self, address: Address) -> None:
        """It is served, or not wanted any more."""
        key = self._owner.pop(address, None)
        if key is not None:
            self._of[key].discard(address)
            if not self._of[key]:
                del self._of[key]

    def keep(self, key: str, wanted: Set[Address]) -> None:
        """The service `key` wants these and no others."""
        for address in self._of.get(key, set()) - wanted:
            self.drop(address)

    def clear(self) -> None:
        """Nothing is wanted."""
        self._owner.clear()
        self._of.clear()
