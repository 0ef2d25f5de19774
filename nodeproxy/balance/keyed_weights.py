"""Weighted choice by a key: the same key has the same target, and targets have shares of the keys by their weights."""

from collections.abc import Sequence
from math import log

from nodeproxy.balance.hash_tables import hash_of, mixed

_WORD = 1 << 64


class KeyedWeights:
    """Chooses indexes by the hash of a key. A change of one weight moves only keys that come to its target or leave it.

    Source: D. Thaler, C. Ravishankar, Using Name-Based Mappings to Increase Hit Rates, 1998 (rendezvous hashing);
    C. Schindelhauer, G. Schomaker, Weighted Distributed Hash Tables, 2005 (the logarithmic method).
    """

    __slots__ = ("_targets",)

    def __init__(self, names: Sequence[str], weights: Sequence[int]) -> None:
        """`names` are the same in every worker of every node. At least one of the weights is above 0."""
        named = enumerate(zip(names, weights, strict=True))
        self._targets = [(index, hash_of(name.encode()), weight) for index, (name, weight) in named if weight]

    def of(self, key: bytes) -> int:
        """The index of this key."""
        number, best, least = hash_of(key), -1, 0.0
        for index, seed, weight in self._targets:
            # Exponential times with these rates: the first is each one's in proportion to its rate.
            time = -log((mixed(number ^ seed) + 1) / (_WORD + 1)) / weight
            if best < 0 or time < least:
                best, least = index, time
        return best
