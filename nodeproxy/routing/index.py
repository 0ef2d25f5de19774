"""An index of rules by the segments of a path: its cost depends on the depth of a path, not on the number of rules."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nodeproxy.routing.conditions import Test

NONE = 1 << 30
"""In the place of a rule's number: none. Greater than all of them."""


class Entry(NamedTuple):
    """A rule, by its number, that matches if `test` is true; None if it has no condition beside its path."""

    rule: int
    test: Test | None


class Candidates(NamedTuple):
    """The rules that a path leaves: the first that matches without further tests, and those before it that may."""

    sure: int
    tests: tuple[tuple[int, Test], ...]

    def joined(self, entries: Iterable[Entry]) -> "Candidates":
        """These and `entries`, in the order of the rules."""
        more = tuple(entries)
        if not more:
            return self
        sure = min([self.sure, *(rule for rule, test in more if test is None)])
        tests = [*self.tests, *((rule, test) for rule, test in more if test is not None)]
        return Candidates(sure, tuple(sorted((each for each in tests if each[0] < sure), key=lambda each: each[0])))


NOTHING = Candidates(NONE, ())


class _Node:
    """The paths that begin with the same segments."""

    __slots__ = ("at_end", "beyond", "children", "exact", "prefix")

    def __init__(self) -> None:
        self.children: dict[bytes, _Node] = {}
        self.exact: list[Entry] = []
        self.prefix: list[Entry] = []
        self.at_end = NOTHING
        """For the path that ends here."""
        self.beyond = NOTHING
        """For paths that go on without a child."""


class PathIndex:
    """Finds the rules whose exact path or prefix fits a canonical path."""

    __slots__ = ("_depth", "_root")

    def __init__(self, exact: Sequence[tuple[bytes, Entry]], prefix: Sequence[tuple[bytes, Entry]], sure: int) -> None:
        """`sure` is the number of the first rule that every request matches, or NONE."""
        self._root = _Node()
        self._depth = 1
        for path, entry in exact:
            self._node(path.split(b"/")[1:]).exact.append(entry)
        for path, entry in prefix:
            self._node(path.rstrip(b"/").split(b"/")[1:]).prefix.append(entry)
        self._settle(Candidates(sure, ()))

    def find(self, path: bytes) -> Candidates:
        """The rules that a canonical path leaves."""
        node = self._root
        for segment in path.split(b"/", self._depth)[1:]:
            child = node.children.get(segment)
            if child is None:
                return node.beyond
            node = child
        return node.at_end

    def _node(self, segments: Sequence[bytes]) -> _Node:
        node = self._root
        for segment in segments:
            node = node.children.setdefault(segment, _Node())
        self._depth = max(self._depth, len(segments) + 1)  # what is deeper remains one piece, which no node has
        return node

    def _settle(self, everywhere: Candidates) -> None:
        waiting = [(self._root, everywhere)]
        while waiting:
            node, above = waiting.pop()
            node.beyond = above.joined(node.prefix)
            node.at_end = node.beyond.joined(node.exact)
            waiting += ((child, node.beyond) for child in node.children.values())
