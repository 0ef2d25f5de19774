"""Finds the first rule that a request matches."""

from collections.abc import Sequence

from nodeproxy.mesh.callers import Known
from nodeproxy.protocol.message import Request
from nodeproxy.routing.canonical import canonical
from nodeproxy.routing.conditions import Condition, Test, conditions_of, path_condition
from nodeproxy.routing.index import NONE, Candidates, Entry, PathIndex
from nodeproxy.routing.match import Match
from nodeproxy.routing.view import View


class Router:
    """Rules in their order, compiled. Each is what it may match, any of these; one without a match matches all.

    Rules whose path is exact or a prefix are found by an index. All others are tested one by one, up to the first
    that matches.
    """

    __slots__ = ("_first_test", "_index", "_tests", "_unsafe")

    def __init__(self, rules: Sequence[Sequence[Match]]) -> None:
        """Raises PatternRefused for a pattern that does not compile."""
        exact: list[tuple[bytes, Entry]] = []
        prefix: list[tuple[bytes, Entry]] = []
        other: list[Entry] = []
        for number, matches in enumerate(rules):
            for match in matches:
                path, conditions = match.path, [*conditions_of(match)]
                if path is not None and path.regex is not None:
                    conditions.append(path_condition(path))  # the dearest of all
                entry = Entry(number, _all(conditions))
                if path is not None and path.exact is not None:
                    exact.append((path.exact.encode(), entry))
                elif path is not None and path.prefix is not None:
                    prefix.append((path.prefix.encode(), entry))
                else:
                    other.append(entry)
            if not matches:
                other.append(Entry(number, None))
        sure, self._tests = Candidates(NONE, ()).joined(other)
        self._first_test = self._tests[0][0] if self._tests else NONE
        self._index = PathIndex(exact, prefix, sure)
        self._unsafe = Candidates(sure, ())

    def find(self, request: Request, caller: Known) -> int:
        """The number from 0 of the first rule that matches, -1 if none does."""
        path = canonical(request.path)
        first, tests = self._unsafe if path is None else self._index.find(path)
        if tests or self._first_test < first:
            first = self._tested(first, tests, View(request, path, caller))
        return first if first != NONE else -1

    def _tested(self, first: int, tests: tuple[tuple[int, Test], ...], view: View) -> int:
        """The first of the rules `first`, those of `tests`, which are all before it, and those without a path."""
        for rule, test in tests:
            if test(view):
                first = rule
                break
        for rule, test in self._tests:
            if rule >= first:
                break
            if test(view):
                return rule
        return first


def _all(conditions: Sequence[Condition]) -> Test | None:
    tests = tuple(condition.test for condition in conditions)
    if len(tests) < 2:
        return tests[0] if tests else None
    return lambda view: all(test(view) for test in tests)
