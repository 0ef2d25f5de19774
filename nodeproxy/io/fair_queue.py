"""A queue in which every share has its turn, however much another has put into it."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Items of several shares: each share in turn gives one item, its oldest.

    A share that puts its first item is served before those that have been waiting, once: what a small share asks now
    and then does not wait for a whole round. Source: RFC 8290, 4.2 (the lists of new and old flows of FQ-CoDel).
    """

    __slots__ = ("_fresh", "_items", "_size", "_turns")

    def __init__(self) -> None:
        self._items: dict[object, deque[T]] = {}
        self._fresh: deque[object] = deque()
        self._turns: deque[object] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, share: object, item: T) -> None:
        """Append an item to those of its share."""
        self._size += 1
        items = self._items.get(share)
        if items is None:
            items = self._items[share] = deque()
            self._fresh.append(share)
        items.append(item)

    def take(self) -> T:
        """Remove and return the next item.

        Raises:
            IndexError: there is none.
        """
        turns, of_shares = self._turns, self._items
        while True:
            share = self._fresh.popleft() if self._fresh else turns.popleft()
            items = of_shares[share]
            if items:
                turns.append(share)  # even if it has none left: it is not new again before its turn has come
                self._size -= 1
                return items.popleft()
            del of_shares[share]
