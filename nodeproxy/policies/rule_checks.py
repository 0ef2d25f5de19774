"""Rules of `routes` that are valid and cannot do what they say: never reached, or redirects that end where they began.

Pure. What cannot be decided from paths alone is not judged.
"""

from collections.abc import Iterator, Sequence

from nodeproxy.errors import ProxyError
from nodeproxy.mesh.callers import UNKNOWN
from nodeproxy.policies.path_change import path_change
from nodeproxy.policies.route_match import Match
from nodeproxy.policies.route_rules import Rule
from nodeproxy.policies.routes import RoutesSettings, label_of
from nodeproxy.policies.table_faults import Fault, Path
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Request
from nodeproxy.routing.router import Router

HOPS_MOST = 10  # redirects in a row that are followed here; clients follow 20 or 50
NEVER = Match(method=("-",))
REDIRECTS_MOST = 100  # that are looked at: a table is checked whenever it changes


def rule_checks(settings: RoutesSettings) -> Iterator[Fault]:
    """What cannot be as these rules say."""
    yield from _never_reached(settings.rules)
    yield from _loops(settings.rules)


def _never_reached(rules: Sequence[Rule]) -> Iterator[Fault]:
    all_of = next((number for number, rule in enumerate(rules) if _matches_all(rule)), len(rules))
    if all_of < len(rules) - 1:
        label = label_of(rules[all_of], all_of)
        yield Fault(
            _place(all_of + 1),
            f"no request reaches this rule: rule {label} before it matches every request; put that one last",
        )


def _matches_all(rule: Rule) -> bool:
    return not rule.match or any(each == Match() for each in rule.match)


def _loops(rules: Sequence[Rule]) -> Iterator[Fault]:
    """Redirects whose answer names an address that the same rules redirect again, and so on."""
    staying = [number for number, rule in enumerate(rules) if _stays(rule)]
    if not staying:
        return
    router = Router([_paths_of(rule, redirects=number in staying) for number, rule in enumerate(rules)])
    for number in staying[:REDIRECTS_MOST]:
        for path in _samples(rules[number]):
            way = _way(path, number, rules, router)
            if way is not None:
                yield Fault((*_place(number), "redirect"), _loop_text(path, way))
                break


def _stays(rule: Rule) -> bool:
    """Whether a client that follows the redirect of a rule is back at this service port, in clear HTTP."""
    to = rule.redirect
    return to is not None and to.host is None and to.port is None and to.scheme in (None, "http")


def _paths_of(rule: Rule, redirects: bool) -> tuple[Match, ...]:
    """What a rule matches by the path alone: of a redirect, which the same client follows, all that it matches."""
    alone = [each for each in rule.match if redirects or each == Match(path=each.path)]
    if rule.match and not alone:
        return (NEVER,)
    return tuple(Match(path=each.path) for each in alone)


def _samples(rule: Rule) -> Iterator[bytes]:
    """A path of each way in which a rule matches; none for a pattern, whose paths are not known."""
    for match in rule.match or (Match(),):
        if match.method and not {"GET", "HEAD"} & set(match.method):
            continue  # a client may follow the redirect with a GET
        if match.path is None:
            yield b"/x"
        elif match.path.regex is None:
            yield (match.path.exact or match.path.prefix or "/").encode()


def _way(path: bytes, first: int, rules: Sequence[Rule], router: Router) -> bytes | None:
    """The path after which the redirects of rule `first` go on for ever, None where they end."""
    number, seen, after = first, {path}, None
    for _ in range(HOPS_MOST):
        to = rules[number].redirect
        try:
            next_path = path if to is None or to.path is None else path_change(to.path, rules[number].match)(path)
            request = Request(b"GET", b"", next_path, Fields())
        except (ProxyError, ValueError):
            return None  # answered with 400
        after = after or next_path
        number, path = router.find(request, UNKNOWN), next_path
        if number < 0 or not _stays(rules[number]):
            return None
        if path in seen:
            return after
        seen.add(path)
    return after


def _loop_text(path: bytes, after: bytes) -> str:
    again = "the same address" if after == path else f"{after.decode()}, which is redirected again"
    return (
        f"is a loop: a request to {path.decode()} is sent to {again}, without end; "
        "name a path that the rules do not redirect, or another host"
    )


def _place(number: int) -> Path:
    return ("routes", "rules", number)
