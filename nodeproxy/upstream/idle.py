"""Idle endpoint connections of a worker, as far as others may need their descriptors."""

from collections import OrderedDict
from typing import Protocol

LOOKED_AT = 32  # endpoints asked for an idle connection before giving up: bounds what one connect may cost


class Pool(Protocol):
    """The connections of one endpoint."""

    def close_oldest(self) -> bool:
        """Close the connection that has been idle longest; false when none is idle."""
        ...


class IdleConnections:
    """The pools that had idle connections within their last sweep.

    Clients and listeners are bounded so that every client can have an endpoint's connection: where a new one's
    descriptor is not below `shared` all the same (see `capacity.Capacity.shared`), idle ones have taken the others, and
    one of them is closed. Nothing is counted per request.
    """

    def __init__(self, shared: int, shortages: dict[str, int]) -> None:
        self._shared = shared
        self._shortages = shortages
        self.pools: OrderedDict[Pool, None] = OrderedDict()

    def add(self, pool: Pool) -> None:
        """`pool` may have idle connections from now on."""
        self.pools[pool] = None

    def remove(self, pool: Pool) -> None:
        """`pool` has none."""
        self.pools.pop(pool, None)

    def opened(self, number: int) -> None:
        """An endpoint connection has this descriptor: keep within the share."""
        if number >= self._shared:
            self.close_one()

    def short(self) -> bool:
        """An endpoint connection could not be opened: whether an idle one was closed for another try."""
        self._shortages["endpoint"] += 1
        return self.close_one()

    def close_one(self) -> bool:
        """Close an idle connection, of each pool in turn; false when none was found."""
        for _ in range(min(LOOKED_AT, len(self.pools))):
            pool = next(iter(self.pools))
            self.pools.move_to_end(pool)
            if pool.close_oldest():
                return True
        return False
