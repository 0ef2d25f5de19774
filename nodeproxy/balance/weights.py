"""Weighted choice whose counts stay within one of their shares at every moment."""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush


class Weights:
    """Chooses indexes in proportion to their weights: after any number of choices, each has been chosen as often as
    its share of them says, give or take less than one.

    Smooth weighted round robin, as in nginx, is exact only at the end of a round; among many targets one may be several
    choices ahead or behind before. Here the k-th choice of an index has a window of choices in which it has to be made.
    Of the indexes whose window is open, the one whose window ends first is due; two heaps keep them in that order.
    Source: R. Tijdeman, The chairman assignment problem, Discrete Mathematics 32, 1980.
    """

    __slots__ = ("_due", "_only", "_parts", "_round", "_step", "_taken", "_waiting", "_weights")

    def __init__(self, weights: Sequence[int]) -> None:
        """At least one of the weights is above 0."""
        shares = [index for index, weight in enumerate(weights) if weight]
        self._only = shares[0] if len(shares) == 1 else -1
        self._parts = parts = 2 * len(shares) - 2
        self._weights = tuple(weight * parts for weight in weights)
        self._round = sum(weights)
        self._taken = [0] * len(weights)
        self._step = 0
        self._due: list[tuple[int, int]] = []  # (last step of its window, index): those whose window is open
        windows = () if self._only >= 0 else ((index, self._round, self._weights[index]) for index in shares)
        self._waiting = [
            (-(-whole // weight), whole * (parts - 1) // weight, index) for index, whole, weight in windows
        ]
        heapify(self._waiting)

    def next(self) -> int:
        """The index that is due."""
        if self._only >= 0:
            return self._only
        step = self._step = self._step + 1
        waiting, due = self._waiting, self._due
        while waiting and waiting[0][0] <= step:
            _, last, index = heappop(waiting)
            heappush(due, (last, index))
        index = heappop(due)[1]
        taken = self._taken[index] = self._taken[index] + 1
        # Its next window: while its share is ahead of what it has had by 1/(2n-2) to 1 - 1/(2n-2).
        whole, parts, weight = self._round, self._parts, self._weights[index]
        had = whole * parts * taken
        heappush(waiting, (-(-(had + whole) // weight), (had + whole * (parts - 1)) // weight, index))
        return index
