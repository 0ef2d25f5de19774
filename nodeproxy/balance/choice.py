"""The choice of one endpoint of several. A chooser takes the candidates and a source of randomness; it never fails."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar


class Loaded(Protocol):
    """Something that carries exchanges."""

    @property
    def active(self) -> int: ...


Candidate = TypeVar("Candidate", bound=Loaded)
Member = TypeVar("Member")
Random = Callable[[], float]
Choose = Callable[[Sequence[Candidate], Random], Candidate]
"""A chooser. Keep one per list of candidates: some remember the last choice."""


def two_of(candidates: Sequence[Member], random: Random) -> tuple[Member, Member]:
    """Two different random ones of at least two candidates, from one random number."""
    count = len(candidates)
    number = random() * count
    first = int(number)
    second = int((number - first) * (count - 1))  # the fraction is as random as the integer part
    return candidates[first], candidates[second + (second >= first)]


class LeastRequest:
    """The less loaded of two different candidates: one in turn, and one random.

    Source: M. Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, 2001; Envoy's choice_count 2. There
    both are random. With one in turn, requests one after the other go round: of 3,000 over three endpoints each has
    1,000, not 1,000 give or take 26.
    Not for choices of which some are passed over (`weighted`): those would all go to the next in turn.
    """

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = -1

    def __call__(self, candidates: Sequence[Candidate], random: Random) -> Candidate:
        """The less loaded of the candidate after the last one that was due, and a random other one."""
        count = len(candidates)
        if count == 1:
            return candidates[0]
        first = int(random() * count) if self._next < 0 else (self._next + 1) % count
        self._next = first
        second = int(random() * (count - 1))
        one, other = candidates[first], candidates[second + (second >= first)]
        return other if other.active < one.active else one


def by_chance(candidates: Sequence[Candidate], random: Random) -> Candidate:
    """A random candidate."""
    return candidates[int(random() * len(candidates))]


class InTurn:
    """Round robin. Starts at a random position, so that nodes do not all begin with the same endpoint."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = -1

    def __call__(self, candidates: Sequence[Candidate], random: Random) -> Candidate:
        """The candidate after the last one returned."""
        count = len(candidates)
        self._next = int(random() * count) if self._next < 0 else self._next + 1
        self._next %= count
        return candidates[self._next]
