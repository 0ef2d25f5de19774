"""Weighted choice that is exact over time: smooth weighted round robin."""

from collections.abc import Sequence


class Weights:
    """Chooses indexes in proportion to their weights.

    In as many choices as the weights have in sum, each index is chosen as often as its weight says, spread evenly.
    Source: nginx, ngx_http_upstream_round_robin.c.
    """

    __slots__ = ("_current", "_total", "_weights")

    def __init__(self, weights: Sequence[int]) -> None:
        self._weights = tuple(weights)
        self._current = [0] * len(weights)
        self._total = sum(weights)

    def next(self) -> int:
        """The index that is due."""
        current, best = self._current, 0
        for index, weight in enumerate(self._weights):
            current[index] += weight
            if current[index] > current[best]:
                best = index
        current[best] -= self._total
        return best
