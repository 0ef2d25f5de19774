"""Which service owns a virtual address that several claim: the oldest, of equally old ones the first by key.

The author of a Service can choose its ClusterIP or its name and so claim another's address, but not its creation time,
which the API server sets. The owner depends on the services alone, not on their order, so all nodes agree.
"""

from typing import NamedTuple


class Claim(NamedTuple):
    """The address a service claims, "" for none, and its creation time: RFC 3339 in UTC, "" if unknown."""

    address: str
    made: str = ""


NOTHING = Claim("")


class AddressClaims:
    """The addresses that the services claim."""

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}
        self._claimants: dict[str, set[str]] = {}

    def claim(self, key: str, claim: Claim) -> set[str]:
        """Replaces the service's claim; returns the keys of services whose address may have changed."""
        before = self._claims.pop(key, NOTHING)
        if claim.address:
            self._claims[key] = claim
        if before == claim:
            return set()
        touched = {key} | self._claimants.get(before.address, set()) | self._claimants.get(claim.address, set())
        if before.address:
            self._claimants[before.address].discard(key)
            if not self._claimants[before.address]:
                del self._claimants[before.address]
        if claim.address:
            self._claimants.setdefault(claim.address, set()).add(key)
        return touched

    def owner(self, key: str) -> tuple[str, str]:
        """The address that the service claims, and the key of the service that owns it."""
        address = self._claims.get(key, NOTHING).address
        return (address, min(self._claimants[address], key=self._rank)) if address else ("", key)

    def _rank(self, key: str) -> tuple[bool, str, str]:
        made = self._claims[key].made
        return not made, made, key
