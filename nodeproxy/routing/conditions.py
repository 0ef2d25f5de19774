"""The conditions of a match, compiled: each is a test, and the words for a request that fails it."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from nodeproxy.routing.match import CallerMatch, Match, NamedMatch, PathMatch
from nodeproxy.routing.patterns import full_match
from nodeproxy.routing.view import View, lines_of

SHOWN_BYTES = 80  # of a value in words

Test = Callable[[View], bool]
Value = Callable[[View], bytes | None]


class Condition(NamedTuple):
    """One condition of a rule."""

    test: Test
    failure: Callable[[View], str]
    """Why a request fails it. Only for one that does."""


def conditions_of(match: Match) -> Iterator[Condition]:
    """All conditions of `match` but that of its path, the cheapest first."""
    if match.method:
        yield _method(match.method)
    if match.caller:
        yield _caller(match.caller)
    for header in match.headers:
        yield _named(f"the header {header.name.lower()}", header, _header(header.name))
    for parameter in match.query_params:
        yield _named(f"the query parameter {parameter.name}", parameter, _parameter(parameter.name))
    for cookie in match.cookies:
        yield _named(f"the cookie {cookie.name}", cookie, _cookie(cookie.name))


def path_condition(path: PathMatch) -> Condition:
    """That of a path, for a rule that the index does not find by it, and for its words."""
    test, asked = _path(path)

    def failure(view: View) -> str:
        if view.path is None:
            return "its path cannot be normalised safely, so no rule with a path matches"
        return f"the path is {shown(view.path)}, the rule asks for {asked}"

    return Condition(lambda view: view.path is not None and test(view.path), failure)


def within(prefix: bytes) -> Callable[[bytes], bool]:
    """Whether a canonical path is below a prefix of whole segments, or is it."""
    whole = prefix.rstrip(b"/")
    below = whole + b"/"
    return lambda path: path.startswith(below) or path == whole


def shown(value: bytes) -> str:
    """A value of a client in words: printable and bounded."""
    text = ascii(value[:SHOWN_BYTES].decode("latin-1"))[1:-1]
    return text + "…" if len(value) > SHOWN_BYTES else text


def _path(path: PathMatch) -> tuple[Callable[[bytes], bool], str]:
    if path.exact is not None:
        exact = path.exact.encode()
        return lambda found: found == exact, path.exact
    if path.prefix is not None:
        return within(path.prefix.encode()), f"{path.prefix} or a path below it"
    assert path.regex is not None  # one of the three is set
    return full_match(path.regex), f"a match of {path.regex}"


def _method(methods: Sequence[str]) -> Condition:
    wanted, words = frozenset(each.encode() for each in methods), " or ".join(methods)
    return Condition(
        lambda view: view.request.method in wanted,
        lambda view: f"the method is {shown(view.request.method)}, the rule asks for {words}",
    )


def _caller(callers: Sequence[CallerMatch]) -> Condition:
    namespaces = frozenset(each.namespace for each in callers if each.workload is None)
    workloads = frozenset((each.namespace, each.workload) for each in callers if each.workload is not None)
    words = " or ".join(
        each.namespace if each.workload is None else f"{each.namespace}/{each.workload}" for each in callers
    )

    def failure(view: View) -> str:
        found = "/".join(view.caller.labels) if view.caller.namespace else "no pod of this node"
        return f"the caller is {found}, the rule asks for {words}"

    return Condition(
        lambda view: view.caller.namespace in namespaces or view.caller.labels in workloads,
        failure,
    )


def _named(what: str, match: NamedMatch, value: Value) -> Condition:
    test, asked = _value(match)

    def failure(view: View) -> str:
        found = value(view)
        return f"{what} is {'absent' if found is None else shown(found)}, the rule asks for {asked}"

    return Condition(lambda view: test(value(view)), failure)


def _value(match: NamedMatch) -> tuple[Callable[[bytes | None], bool], str]:
    if match.exact is not None:
        exact = match.exact.encode()
        return lambda value: value == exact, match.exact or "an empty value"
    if match.prefix is not None:
        prefix = match.prefix.encode()
        return lambda value: value is not None and value.startswith(prefix), f"a value that begins with {match.prefix}"
    if match.regex is not None:
        matched = full_match(match.regex)
        return lambda value: value is not None and matched(value), f"a match of {match.regex}"
    if match.present is False:
        return lambda value: value is None, "none"
    return lambda value: value is not None, "any value"


def _header(name: str) -> Value:
    lower, lines = name.lower().encode(), lines_of(name)
    return lambda view: view.header(lower, lines)


def _parameter(name: str) -> Value:
    wanted = name.encode()
    return lambda view: view.parameter(wanted)


def _cookie(name: str) -> Value:
    wanted = name.encode()
    return lambda view: view.cookie(wanted)
