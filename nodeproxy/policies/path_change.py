"""A new path in place of that of a request: as a whole, of the prefix that a rule has matched, or by a pattern."""

import re
from collections.abc import Callable, Sequence

from nodeproxy.errors import BadRequest, TargetTooLong
from nodeproxy.policies.route_match import Match
from nodeproxy.policies.route_rules import PathChange
from nodeproxy.routing.canonical import canonical
from nodeproxy.routing.conditions import shown, within
from nodeproxy.routing.patterns import TooManyPlaces, substitution

LIMIT_BYTES = 16 * 1024  # of a new path; as the request line that nodeproxy takes from clients by default

_DOTS = re.compile(rb"/(?:\.|%2[eE]){1,2}(?=[/;]|\Z)")  # a dot segment, also one that a server decodes

Change = Callable[[bytes], bytes]


def path_change(written: PathChange, matches: Sequence[Match]) -> Change:
    """Returns the new path and query for those of a request; `*` stays. The change is made to the canonical path.

    What it returns raises BadRequest for a path that cannot be normalised safely, and TargetTooLong.
    """
    change = _change(written, matches)

    def changed(target: bytes) -> bytes:
        if target == b"*":
            return target
        path = canonical(target)
        if path is None and written.full is None:
            raise BadRequest(f"the path {shown(target)} cannot be normalised safely, so it is not rewritten")
        _, mark, query = target.partition(b"?")
        new = change(path or b"")
        if len(new) > LIMIT_BYTES:
            raise TargetTooLong(f"the rewritten path is longer than {LIMIT_BYTES} bytes")
        return new + mark + query

    return changed


def _change(written: PathChange, matches: Sequence[Match]) -> Change:
    if written.full is not None:
        full = written.full.encode()
        return lambda _path: full
    if written.prefix is not None:
        return _of_prefix(written.prefix.encode(), matches)
    assert written.regex is not None  # one of the three is set
    assert written.substitution is not None  # as is this with a regex
    replaced = substitution(written.regex, written.substitution)

    def by_pattern(path: bytes) -> bytes:
        try:
            new = replaced(path)
        except TooManyPlaces as error:
            raise BadRequest(f"the path is not rewritten: {error}") from error
        new = new if new.startswith(b"/") else b"/" + new
        if _DOTS.search(new) is not None:  # of `/pub/(.*)\.html` and `/srv/\1`: /pub/...html would leave /srv
            raise BadRequest(f"the path {shown(path)} would be rewritten to one with a dot segment: {shown(new)}")
        return new

    return by_pattern


def _of_prefix(new: bytes, matches: Sequence[Match]) -> Change:
    """Source: Gateway API, HTTPPathModifier.replacePrefixMatch: a slash at the end of a prefix does not count."""
    prefixes = [each.path.prefix.encode() for each in matches if each.path is not None and each.path.prefix is not None]
    tests = [(within(prefix), len(prefix.rstrip(b"/"))) for prefix in prefixes]

    def changed(path: bytes) -> bytes:
        length = next((length for fits, length in tests if fits(path)), 0)
        rest = path[length:]
        return new.rstrip(b"/") + rest if rest else new

    return changed
