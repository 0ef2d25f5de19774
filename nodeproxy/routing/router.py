"""Finds the first rule that a request matches."""

from collections.abc import Collection, Sequence

from nodeproxy.mesh.callers import Known
from nodeproxy.protocol.message import Request
from nodeproxy.routing.canonical import NO_PATH, canonical, without_parameters
from nodeproxy.routing.conditions import Condition, Test, conditions_of, path_condition
from nodeproxy.routing.index import NONE, Candidates, Entry, PathIndex
from nodeproxy.routing.match import Match
from nodeproxy.routing.view import View

SEMICOLON = ord(";")  # a number is found in a seventh of the time of bytes


class Router:
    """Rules in their order, compiled. Each is what it may match, any of these; one without a match matches all.

    Rules whose path is exact or a prefix are found by an index. All others are tested one by one, up to the first
    that matches.

    A path that cannot be normalised safely may be any path to a server. So it matches the path of no rule, except of
    those that refuse: an access rule fails closed. These also match a path that does without its parameters.
    """

    __slots__ = ("_first_test", "_index", "_no_path", "_refusing", "_tests", "_unsafe")

    def __init__(self, rules: Sequence[Sequence[Match]], refusing: Collection[int] = ()) -> None:
        """`refusing` are the numbers of the rules that refuse requests.

        Raises PatternRefused for a pattern that does not compile.
        """
        unsafe: list[Entry] = []
        refused: list[tuple[int, Test]] = []
        exact: list[tuple[bytes, Entry]] = []
        prefix: list[tuple[bytes, Entry]] = []
        other: list[Entry] = []
        for number, matches in enumerate(rules):
            for match in matches:
                path, conditions = match.path, [*conditions_of(match)]
                if path is not None and number in refusing:
                    unsafe.append(Entry(number, _all(conditions)))
                    test = _all([path_condition(path), *conditions])
                    assert test is not None  # it has one of the path
                    refused.append((number, test))
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
        self._no_path = Candidates(sure, ())
        self._unsafe = self._no_path.joined(unsafe)
        self._refusing = tuple(refused)

    def find(self, request: Request, caller: Known) -> int:
        """The number from 0 of the first rule that matches, -1 if none does."""
        path = canonical(request.path)
        if path is None:
            first, tests = self._unsafe if request.path != NO_PATH else self._no_path
        else:
            first, tests = self._index.find(path)
        if tests or self._first_test < first:
            first = self._tested(first, tests, View(request, path, caller))
        if self._refusing and path is not None and SEMICOLON in path:
            first = self._refused(first, View(request, without_parameters(path), caller))
        return first if first != NONE else -1

    def _refused(self, first: int, view: View) -> int:
        """The first of `first` and the rules that refuse what is in `view`."""
        return next((rule for rule, test in self._refusing if rule < first and test(view)), first)

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
