"""What keeps limits of the cluster, as far as the lessor uses it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from discovery.cluster_limits.claims import Claim


class ServerGone(Exception):
    """The server did not answer, or refused. The text says what happened."""


class Grant(NamedTuple):
    """The answer to a claim."""

    tokens: float
    users: float
    """Nodes that have claimed from this limit lately, this one included."""


class LimitServer(Protocol):
    """One server of limits."""

    async def exchange(self, claims: Sequence[Claim]) -> tuple[float, list[Grant]]:
        """Greet the server and make all `claims`; returns the number of nodes and the grants.

        Raises:
            ServerGone: there is no answer in time, or not to all. The server may have taken the claims.
        """
        ...

    async def close(self) -> None:
        """Close the connection, if there is one; the next exchange opens another."""
        ...
