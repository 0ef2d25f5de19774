"""docs/troubleshooting.md: the sections of all reasons of errors, whose anchors are the reasons."""

from collections.abc import Iterator, Mapping

from nodeproxy import errors
from nodeproxy.cli.pages.markdown import prose
from nodeproxy.cli.why import Explained, explained

BEGIN, END = "<!-- reasons:begin, written by `make docs` from nodeproxy/cli/reasons.yaml -->", "<!-- reasons:end -->"
FAULTS = {"client": "the client's side", "mesh": "the mesh's side", "endpoint": "the endpoint's side"}
ELSEWHERE = {"cors-refused": "Status 403, from a policy", "fault-injected": "The status of `fault`, from that policy"}
"""Where a reason is that of no error."""
CONNECTIONS = "Of connections and sessions, in logs and metrics"


def with_reasons(page: str) -> str:
    """The page with these sections replaced.

    Raises:
        ValueError: the markers of the sections are missing.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no `{BEGIN}` followed by `{END}`; put both back")
    sections = "".join(_section(name, text) for name, text in explained().items())
    return f"{before}{BEGIN}\n{sections}\n{END}{after}"


def _section(name: str, text: Explained) -> str:
    seen, why, do = f"{_standing(name)}. {prose(text.what)}", prose(text.why), prose(text.do)
    return f"\n### {name}\n\n{seen}\n\n**Why.** {why}\n\n**Check.**\n\n    {text.check}\n\n**Do.** {do}\n"


def _standing(name: str) -> str:
    found = _by_reason().get(name)
    if found is None:
        return ELSEWHERE.get(name, CONNECTIONS)
    return f"Status {found.status}, from {FAULTS[found.fault]}"


def _by_reason() -> Mapping[str, type[errors.ProxyError]]:
    return {kind.reason: kind for kind in reversed(list(_kinds(errors.ProxyError)))}


def _kinds(kind: type[errors.ProxyError]) -> Iterator[type[errors.ProxyError]]:
    yield kind
    for sub in kind.__subclasses__():
        yield from _kinds(sub)
