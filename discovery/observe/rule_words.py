"""What a rule of `routes` matches and does, in words. Pure."""

from collections.abc import Iterator

from nodeproxy.policies.route_match import Match, PathMatch, ValueMatch
from nodeproxy.policies.route_rules import FieldEdits, PathChange, Rule


def match_words(match: Match) -> str:
    """All conditions of one match: `path under /api, method GET, header x-user present`."""
    return ", ".join(_conditions(match)) or "every request"


def _conditions(match: Match) -> Iterator[str]:
    if match.path is not None:
        yield f"path {_path(match.path)}"
    if match.method:
        yield f"method {' or '.join(match.method)}"
    for header in match.headers:
        yield f"header {header.name} {_value(header)}"
    for parameter in match.query_params:
        yield f"query parameter {parameter.name} {_value(parameter)}"
    for cookie in match.cookies:
        yield f"cookie {cookie.name} {_value(cookie)}"
    if match.caller:
        callers = (f"{each.namespace}/{each.workload}" if each.workload else each.namespace for each in match.caller)
        yield f"from {' or '.join(callers)}"


def _path(path: PathMatch) -> str:
    if path.exact is not None:
        return f"= {path.exact}"
    return f"under {path.prefix}" if path.prefix is not None else f"~ {path.regex}"


def _value(value: ValueMatch) -> str:
    if value.exact is not None:
        return f"= {value.exact}"
    if value.prefix is not None:
        return f"begins with {value.prefix}"
    if value.regex is not None:
        return f"~ {value.regex}"
    return "absent" if value.present is False else "present"


def action_words(rule: Rule) -> Iterator[str]:
    """What becomes of the requests beside where they go."""
    if rule.redirect is not None:
        change = rule.redirect
        where = [
            f"scheme {change.scheme}" if change.scheme else "",
            f"host {change.host}" if change.host else "",
            f"port {change.port}" if change.port else "",
            f"path {_change(change.path)}" if change.path else "",
        ]
        yield f"redirect {change.status} to {', '.join(filter(None, where)) or 'the same address'}"
    if rule.direct_response is not None:
        yield f"answers {rule.direct_response.status} itself"
    if rule.rewrite is not None and rule.rewrite.path is not None:
        yield f"rewrites the path to {_change(rule.rewrite.path)}"
    if rule.rewrite is not None and rule.rewrite.host is not None:
        yield f"rewrites the host to {rule.rewrite.host}"
    if rule.sticky is not None:
        by = f"header {rule.sticky.header}" if rule.sticky.header else f"cookie {rule.sticky.cookie}"
        yield f"sticky by {by}"
    for direction, edits in (("request", rule.headers.request), ("response", rule.headers.response)):
        if edited := _edits(edits):
            yield f"{direction} headers: {edited}"
    if rule.policies:
        yield f"policies of its own: {', '.join(rule.policies)}"


def _change(change: PathChange) -> str:
    if change.full is not None:
        return change.full
    if change.prefix is not None:
        return f"{change.prefix}…"
    return f"{change.substitution} where it matches {change.regex}"


def _edits(edits: FieldEdits) -> str:
    words = ((f"set {', '.join(edits.set)}", edits.set), (f"add {', '.join(edits.add)}", edits.add))
    parts = [word for word, some in words if some]
    if edits.remove:
        parts.append(f"remove {', '.join(edits.remove)}")
    return "; ".join(parts)
