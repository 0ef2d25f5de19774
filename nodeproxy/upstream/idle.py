"""Idle upstream connections of a worker, closed when a new connection needs their descriptors."""

from collections import OrderedDict
from typing import Protocol

LOOKED_AT = 32  # pools examined for an idle connection at most: bounds the cost of one connect


class Pool(Protocol):
    """The connections of one endpoint."""

    def close_oldest(self) -> bool:
        """Close the connection that has been idle longest; returns False when none is idle."""
        ...


class IdleConnections:
    """The pools that had idle connections within their last sweep.

    Clients and listeners are bounded so that there is an upstream connection for every client. If the descriptor of a
    new one is still not below `shared` (see `capacity.Capacity.shared`), idle connections use the others, and one of
    them is closed. Nothing is counted per request.
    """

    def __init__(self, shared: int, shortages: dict[str, int]) -> None:
        self._shared = shared
        self._shortages = shortages
        self.pools: OrderedDict[Pool, None] = OrderedDict()

    def add(self, pool: Pool) -> None:
        """Add `pool`, which has idle connections."""
        self.pools[pool] = None

    def remove(self, pool: Pool) -> None:
        """Remove `pool`, which has no idle connections."""
        self.pools.pop(pool, None)

    def opened(self, number: int) -> None:
        """An upstream connection with this descriptor has been opened: close an idle one if it exceeds the share."""
        if number >= self._shared:
            self.close_one()

    def short(self) -> bool:
        """An upstream connection could not be opened; returns whether an idle one was closed for a second try."""
        self._shortages["endpoint"] += 1
        return self.close_one()

    def close_one(self) -> bool:
        """Close one idle connection, from the pools in turn; returns False when none was found."""
        for _ in range(min(LOOKED_AT, len(self.pools))):
            pool = next(iter(self.pools))
            self.pools.move_to_end(pool)
            if pool.close_oldest():
                return True
        return False
