"""One rule of `routes`: what it matches, and what becomes of such a request."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from nodeproxy.policies.block import Block
from nodeproxy.policies.fallback import FallbackResponse
from nodeproxy.policies.limit_server import ServerUrl
from nodeproxy.policies.route_match import Match, Path, Pattern, Token
from nodeproxy.policies.targets import Destination, Target
from nodeproxy.protocol.fields import Fields
from nodeproxy.routing.patterns import substitution


def _without_query(path: str) -> str:
    if set(path) & set("?#\\"):
        raise ValueError("a new path has no ? and no # or backslash; the query of the request stays")
    return path


HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{1,5})?$", max_length=261)]
NewPath = Annotated[Path, AfterValidator(_without_query)]
FieldValue = Annotated[str, Field(pattern=r"^[\t\x20-\x7e]*$", max_length=4096)]


class PathChange(Block):
    """A new path; the query stays."""

    full: NewPath | None = None
    """The whole new path."""
    prefix: NewPath | None = None
    """In place of the prefix that the rule has matched, or of `/` where it has matched none."""
    regex: Pattern | None = None
    """With `substitution`: what is replaced, in RE2's syntax."""
    substitution: Annotated[str, Field(max_length=1024)] | None = None
    r"""With `regex`: the replacement, where `\1` is the first group."""

    @model_validator(mode="after")
    def _one(self) -> "PathChange":
        if sum(each is not None for each in (self.full, self.prefix, self.regex)) != 1:
            raise ValueError("exactly one of full, prefix and regex is set")
        if (self.regex is None) != (self.substitution is None):
            raise ValueError("regex and substitution belong together")
        if self.regex is not None and self.substitution is not None:
            substitution(self.regex, self.substitution)
        return self


class Rewrite(Block):
    """What the endpoint receives in place of what the client sent."""

    path: PathChange | None = None
    """A new path."""
    host: HostName | None = None
    """A new Host."""


class Redirect(Block):
    """An answer that sends the client elsewhere; what is not set stays as it was asked for."""

    scheme: Literal["http", "https"] | None = None
    """The scheme of the new address."""
    host: HostName | None = None
    """Its host."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Its port; unset, that which the scheme implies if `scheme` is set, else the one asked for."""
    path: PathChange | None = None
    """Its path."""
    status: Literal[301, 302, 303, 307, 308] = 302
    """The status. Clients turn a POST into a GET at 301, 302 and 303."""


class FieldEdits(Block):
    """Changes of header fields. Those that frame a message or belong to a connection are refused."""

    set: Annotated[dict[Token, FieldValue], Field(default_factory=dict, max_length=32)]
    """Replace all lines of these names by one."""
    add: Annotated[dict[Token, FieldValue], Field(default_factory=dict, max_length=32)]
    """Append a line; others of the same name stay."""
    remove: Annotated[tuple[Token, ...], Field(max_length=32)] = ()
    """Remove all lines of these names."""

    @field_validator("set", "add")
    @classmethod
    def _sendable(cls, written: dict[str, str]) -> dict[str, str]:
        for name, value in written.items():
            Fields().add(name.encode(), value.encode())
        return written

    @field_validator("remove")
    @classmethod
    def _removable(cls, written: tuple[str, ...]) -> tuple[str, ...]:
        for name in written:
            Fields().remove(name.encode())
        return written

    @model_validator(mode="after")
    def _no_contradiction(self) -> "FieldEdits":
        written = {name.lower() for name in (*self.set, *self.add)}
        both = [name for name in self.remove if name.lower() in written]
        if both:
            raise ValueError(f"{both[0]} is removed and written; set alone replaces what is there")
        return self


class HeaderEdits(Block):
    """Changes of header fields in both directions."""

    request: FieldEdits = FieldEdits(set={}, add={})
    """Of what the endpoint receives."""
    response: FieldEdits = FieldEdits(set={}, add={})
    """Of what the client receives, answers of the mesh itself included."""


_NO_EDITS = HeaderEdits()  # one for all rules: pydantic would copy a default for each


class Canary(Destination):
    """Requests that go to a new version, at most so many per second, whatever the load; all others are not affected."""

    requests_per_second: Annotated[float, Field(gt=0, le=1e6, strict=False)]
    """How many requests per second it receives, evenly spread, if there are as many."""
    scope: Literal["node", "cluster"] = "node"
    """Whether the number counts for each node by itself, or for all nodes of the cluster together. A cluster counts in
    the server that `server` names."""
    server: ServerUrl | None = None
    """As `rateLimit.global.server`, for the scope `cluster`. While it does not answer, each node sends its share."""

    @model_validator(mode="after")
    def _served(self) -> "Canary":
        if (self.scope == "cluster") != (self.server is not None):
            raise ValueError("the scope cluster and a server belong together: a cluster counts in the server")
        return self


class Sticky(Block):
    """Requests with the same value go to the same of the targets, while their weights stay; others by weight."""

    header: Token | None = None
    """The value of this header field."""
    cookie: Token | None = None
    """The value of this cookie."""

    @model_validator(mode="after")
    def _one(self) -> "Sticky":
        if (self.header is None) == (self.cookie is None):
            raise ValueError("exactly one of header and cookie is set")
        return self


class Rule(Block):
    """Requests that match go where it says. Without `split` and `canary` they go to the service itself."""

    singles: ClassVar[tuple[str, ...]] = ("match",)

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)] | None = None
    """Names the rule in metrics, logs and `explain`; unset, its number from 1."""
    match: Annotated[tuple[Match, ...], Field(max_length=16)] = ()
    """Any of these; none matches every request. A single one may be written without brackets."""
    split: Annotated[tuple[Target, ...], Field(max_length=32)] = ()
    """Where the requests go, in exact proportions."""
    canary: Canary | None = None
    """A number of requests per second that goes elsewhere than the others. While that is not in the mesh, has no
    endpoint, or none that this node has learnt of yet, all go where the others go. A retry of a request that has failed
    there is not sent there again. A canary among the pods of the service itself, by `labels`, needs a `split` that
    names the others by theirs."""
    sticky: Sticky | None = None
    """Keeps clients at one target of `split`, by a hash of a value that they send. No cookie is set."""
    rewrite: Rewrite | None = None
    """Changes what the endpoint receives."""
    redirect: Redirect | None = None
    """Answers with an address to go to; no endpoint is asked."""
    direct_response: FallbackResponse | None = None
    """Answers with this; no endpoint is asked."""
    headers: Annotated[HeaderEdits, Field(default_factory=lambda: _NO_EDITS)]
    """Changes header fields."""
    policies: Annotated[dict[str, Any], Field(default_factory=dict)]
    """Policies for these requests alone, merged over those of the service field by field. Those that act on endpoints
    or connections (`acts: on the endpoints` on their page) belong to the service and are refused here."""

    @model_validator(mode="before")
    @classmethod
    def _single(cls, written: object) -> object:
        if isinstance(written, dict) and isinstance(written.get("match"), dict):
            return {**written, "match": (written["match"],)}
        return written

    @model_validator(mode="after")
    def _consistent(self) -> "Rule":
        if self.split and not any(target.weight for target in self.split):
            raise ValueError("at least one target of split needs a weight above 0")
        if self.redirect is not None and self.direct_response is not None:
            raise ValueError("redirect and directResponse exclude each other")
        answers = self.redirect is not None or self.direct_response is not None
        if answers and (self.split or self.canary or self.rewrite or self.sticky):
            raise ValueError("an answer of its own excludes split, canary, sticky and rewrite")
        canary = self.canary
        if canary is not None and not self.split and not (canary.service or canary.namespace or canary.port):
            raise ValueError(
                "a canary among the service's own pods needs a split that names the others, such as"
                " split: [{labels: {version: v1}}]; otherwise they share the other requests with it"
            )
        if self.sticky is not None and not self.split:
            raise ValueError("sticky keeps clients at a target of split, which is missing")
        return self


def refusing(rules: Sequence[Rule]) -> frozenset[int]:
    """The numbers of the rules that refuse their requests: by a fixed response with the status of an error."""
    fixed = ((number, rule.direct_response) for number, rule in enumerate(rules))
    return frozenset(number for number, response in fixed if response is not None and response.status >= 400)
