"""Who keeps a virtual address that more than one service would have: the oldest, of equals the one that sorts first.

Whoever may make services can make one that wants another's address: he chooses a ClusterIP or a name for it. But he
cannot choose when it was made, because the API server says so. The answer depends on the services alone, not on the
order they came in, so every node gives the same one.
"""

from typing import NamedTuple


class Claim(NamedTuple):
    """Which address a service wants, "" for none, and when it was made: RFC 3339 in UTC, "" when nobody says."""

    address: str
    made: str = ""


NOTHING = Claim("")


class AddressClaims:
    """Which service wants which address."""

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}
        self._claimants: dict[str, set[str]] = {}

    def claim(self, key: str, claim: Claim) -> set[str]:
        """Let the service claim; gives the keys of services whose address may have changed."""
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
        """The address that the service wants, and the key of the service that has it."""
        address = self._claims.get(key, NOTHING).address
        return (address, min(self._claimants[address], key=self._rank)) if address else ("", key)

    def _rank(self, key: str) -> tuple[bool, str, str]:
        made = self._claims[key].made
        return not made, made, key
