"""Says in words which rules a hypothetical request matches, and why it does not match the others; for `explain`."""

from collections.abc import Collection, Sequence

from nodeproxy.mesh.callers import Known
from nodeproxy.protocol.message import Request
from nodeproxy.routing.canonical import NO_PATH, canonical, without_parameters
from nodeproxy.routing.conditions import conditions_of, path_condition
from nodeproxy.routing.match import Match
from nodeproxy.routing.view import View


def reasons(
    rules: Sequence[Sequence[Match]], request: Request, caller: Known, refusing: Collection[int] = ()
) -> list[str | None]:
    """For each rule None if `request` matches it, else the first condition that it fails.

    A rule that may match in several ways has the first failure of each, joined by `; `. `refusing`: see `Router`.
    """
    view = View(request, canonical(request.path), caller)
    found = [_reason(matches, view) for matches in rules]
    stripped = _as_refused(view)
    for number in refusing:
        if stripped is not None and found[number] and _reason(rules[number], stripped, view.path is None) is None:
            found[number] = None
    return found


def _as_refused(view: View) -> View | None:
    """What rules that refuse look at too; None if that is nothing else."""
    if view.path is None:
        return view if view.request.path != NO_PATH else None
    return View(view.request, without_parameters(view.path), view.caller) if b";" in view.path else None


def _reason(matches: Sequence[Match], view: View, any_path: bool = False) -> str | None:
    failures = [_failure(match, view, any_path) for match in matches]
    return "; ".join(dict.fromkeys(each for each in failures if each)) if failures and all(failures) else None


def _failure(match: Match, view: View, any_path: bool) -> str | None:
    path = () if match.path is None or any_path else (path_condition(match.path),)
    return next((each.failure(view) for each in (*path, *conditions_of(match)) if not each.test(view)), None)
