"""Says in words which rules a hypothetical request matches, and why it does not match the others; for `explain`."""

from collections.abc import Sequence

from nodeproxy.mesh.callers import Known
from nodeproxy.protocol.message import Request
from nodeproxy.routing.canonical import canonical
from nodeproxy.routing.conditions import conditions_of, path_condition
from nodeproxy.routing.match import Match
from nodeproxy.routing.view import View


def reasons(rules: Sequence[Sequence[Match]], request: Request, caller: Known) -> list[str | None]:
    """For each rule None if `request` matches it, else the first condition that it fails.

    A rule that may match in several ways has the first failure of each, joined by `; `.
    """
    view = View(request, canonical(request.path), caller)
    return [_reason(matches, view) for matches in rules]


def _reason(matches: Sequence[Match], view: View) -> str | None:
    failures = [_failure(match, view) for match in matches]
    return "; ".join(dict.fromkeys(each for each in failures if each)) if failures and all(failures) else None


def _failure(match: Match, view: View) -> str | None:
    path = () if match.path is None else (path_condition(match.path),)
    return next((each.failure(view) for each in (*path, *conditions_of(match)) if not each.test(view)), None)
