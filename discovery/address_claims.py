"""Who keeps a virtual address that more than one service would have: the service whose key sorts first.

The answer depends on the services alone, not on the order they came in, so every node gives the same one.
"""


class AddressClaims:
    """Which service wants which address."""

    def __init__(self) -> None:
        self._wanted: dict[str, str] = {}
        self._claimants: dict[str, set[str]] = {}

    def claim(self, key: str, address: str) -> set[str]:
        """Let the service want `address`, "" for none; gives the keys of services whose address may have changed."""
        before = self._wanted.pop(key, "")
        if before == address:
            if address:
                self._wanted[key] = address
            return set()
        touched = {key} | self._claimants.get(before, set()) | self._claimants.get(address, set())
        if before:
            self._claimants[before].discard(key)
            if not self._claimants[before]:
                del self._claimants[before]
        if address:
            self._wanted[key] = address
            self._claimants.setdefault(address, set()).add(key)
        return touched

    def owner(self, key: str) -> tuple[str, str]:
        """The address that the service wants, and the key of the service that has it."""
        address = self._wanted.get(key, "")
        return (address, min(self._claimants[address])) if address else ("", key)
