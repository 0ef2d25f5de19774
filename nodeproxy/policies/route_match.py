"""What a route rule asks of a request. `routing` compares; a pattern is compiled once, when its table is read."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, model_validator

from nodeproxy.policies.block import Block
from nodeproxy.policies.targets import Name
from nodeproxy.routing.canonical import canonical
from nodeproxy.routing.patterns import full_match


def _compiles(pattern: str) -> str:
    full_match(pattern)
    return pattern


def _is_canonical(path: str) -> str:
    form = canonical(path.encode())
    if form is None:
        raise ValueError("no request has this canonical path, see docs/routing.md")
    if form.decode() != path:
        raise ValueError(f"canonical paths are compared, and of this one that is {form.decode()}")
    return path


Token = Annotated[str, Field(pattern=r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$", max_length=128)]
Path = Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=1024)]
Text = Annotated[str, Field(max_length=1024)]
Pattern = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_compiles)]
CanonicalPath = Annotated[Path, AfterValidator(_is_canonical)]


class PathMatch(Block):
    """Compares the canonical path, which has no query: percent-decoded, without dot segments or double slashes."""

    exact: CanonicalPath | None = None
    """The whole path."""
    prefix: CanonicalPath | None = None
    """Whole segments, as PathPrefix in Gateway API: `/api` is `/api` and `/api/x`, not `/apis`."""
    regex: Pattern | None = None
    """A pattern in RE2's syntax, of the whole path."""

    @model_validator(mode="after")
    def _one(self) -> "PathMatch":
        if sum(each is not None for each in (self.exact, self.prefix, self.regex)) != 1:
            raise ValueError("exactly one of exact, prefix and regex is set")
        return self


class ValueMatch(Block):
    """Compares one value. With none of `exact`, `prefix`, `regex` and `present`, it has to be there."""

    exact: Text | None = None
    """The whole value."""
    prefix: Text | None = None
    """The first characters of it."""
    regex: Pattern | None = None
    """A pattern in RE2's syntax, of the whole value."""
    present: bool | None = None
    """Whether there is such a value at all; false asks that there is none."""

    @model_validator(mode="after")
    def _one(self) -> "ValueMatch":
        if sum(each is not None for each in (self.exact, self.prefix, self.regex, self.present)) > 1:
            raise ValueError("at most one of exact, prefix, regex and present is set")
        return self


class NamedHeader(ValueMatch):
    """A header field. Several lines of it are one value, joined by commas."""

    name: Token
    """Its name, in any case."""


class NamedValue(ValueMatch):
    """A query parameter or a cookie; of several with one name the first counts."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """Its name, case-sensitive."""


class CallerMatch(Block):
    """A caller, known by the address of its pod. A client that is no pod of this node never matches."""

    namespace: Name
    """Of the calling pods."""
    workload: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)] | None = None
    """Their Deployment, StatefulSet, DaemonSet, Job or CronJob; unset, any of the namespace."""


class Match(Block):
    """All that is set has to be true of a request."""

    singles: ClassVar[tuple[str, ...]] = ("method", "caller")

    path: PathMatch | None = None
    """Its path. One that cannot be normalised safely matches only rules that refuse: a `directResponse` from 400 on."""
    method: Annotated[tuple[Token, ...], Field(max_length=16)] = ()
    """One of these methods, case-sensitive as in HTTP. A single one may be written without brackets."""
    headers: Annotated[tuple[NamedHeader, ...], Field(max_length=16)] = ()
    """All of these header fields."""
    query_params: Annotated[tuple[NamedValue, ...], Field(max_length=16)] = ()
    """All of these query parameters, percent-decoded."""
    cookies: Annotated[tuple[NamedValue, ...], Field(max_length=16)] = ()
    """All of these cookies."""
    caller: Annotated[tuple[CallerMatch, ...], Field(max_length=64)] = ()
    """One of these callers. A single one may be written without brackets."""

    @model_validator(mode="before")
    @classmethod
    def _single(cls, written: object) -> object:
        if not isinstance(written, dict):
            return written
        single = {key: (written[key],) for key in cls.singles if isinstance(written.get(key), str | dict)}
        return {**written, **single}
