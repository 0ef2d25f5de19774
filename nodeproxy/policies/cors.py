"""`cors`: which pages of other origins browsers let read a service's responses (cross-origin resource sharing)."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from nodeproxy.exchange.exchange import Handler, Tools
from nodeproxy.policies.block import Block, Duration, Policy, PolicySettings
from nodeproxy.policies.cross_origin import Allowed, CrossOrigin, Origins
from nodeproxy.policies.route_match import Pattern, Text
from nodeproxy.routing.patterns import full_match

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
_BEGINNING = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+:|\[[0-9a-f:.]+\]:)?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
Listed = Annotated[str, Field(pattern=r"^(\*|[!#$%&'+\-.^_`|~0-9A-Za-z]+)$", max_length=128)]


def _exact(text: str) -> str:
    """An origin as browsers send it, or `*`.

    Raises:
        ValueError: browsers send no such origin.
    """
    if text == "*":
        return text
    if text == "null":
        raise ValueError("any page can have the origin null, from a sandboxed frame or a file; name real origins")
    found = _ORIGIN.fullmatch(text)
    if found is None:
        raise ValueError("not an origin; write scheme://host or scheme://host:port, in lower case, without a path")
    if _DEFAULT_PORTS.get(found[1]) == found[3]:
        raise ValueError(f"browsers leave out the port {found[3]} of {found[1]}; write {text.rpartition(':')[0]}")
    return text


def _prefix(text: str) -> str:
    """The beginning of origins that ends where no other host can begin with it.

    Raises:
        ValueError: it is the beginning of other hosts' names too.
    """
    if _BEGINNING.fullmatch(text) is None:
        raise ValueError(
            f"{text} is also how origins of other hosts begin, such as {text.rstrip('/')}.attacker.example; end it"
            " with the colon before a port, or write exact or regex"
        )
    return text


class OriginMatch(Block):
    """Origins as browsers send them: `https://shop.example` or `http://localhost:8080`."""

    exact: Annotated[Text, AfterValidator(_exact)] | None = None
    """One origin, or `*` for all. A text in place of the object means this."""
    prefix: Annotated[Text, AfterValidator(_prefix)] | None = None
    """The beginning of origins, up to a port: `http://localhost:`, or up to a host: `https://`."""
    regex: Pattern | None = None
    """A pattern in RE2's syntax, of the whole origin. A dot stands for any character: write `\\.` in names."""

    @model_validator(mode="after")
    def _one(self) -> "OriginMatch":
        if sum(each is not None for each in (self.exact, self.prefix, self.regex)) != 1:
            raise ValueError("exactly one of exact, prefix and regex is set")
        return self


Origin = Annotated[
    OriginMatch,
    BeforeValidator(
        lambda written: {"exact": written} if isinstance(written, str) else written,
        json_schema_input_type=str | OriginMatch,
    ),
]


class CorsSettings(PolicySettings):
    """The mesh answers preflights itself, before all other policies: no endpoint is asked, no limit counts them.

    Responses to other requests, those of the mesh included, get the fields of this policy in place of the endpoint's
    own. It protects users of browsers and no service: a request of an origin that is not allowed is sent like any
    other, and the browser withholds the response from the page. Source: Fetch Standard, "HTTP extensions".
    """

    allow_origins: Annotated[tuple[Origin, ...], Field(min_length=1, max_length=64)]
    """Origins whose pages may read responses, any of these; `null` never is, except by `*`."""
    allow_methods: Annotated[tuple[Listed, ...], Field(max_length=32)] = ()
    """Methods beyond GET, HEAD and POST, which are always allowed; `*` for all."""
    allow_headers: Annotated[tuple[Listed, ...], Field(max_length=64)] = ()
    """Header fields that pages may send, beyond the harmless ones that are always allowed; `*` for all but
    Authorization."""
    expose_headers: Annotated[tuple[Listed, ...], Field(max_length=64)] = ()
    """Fields of responses that pages may read, beyond the harmless ones; `*` for all."""
    max_age_s: Annotated[Duration, Field(le=86400)] | None = None
    """How long a browser may remember the answer to a preflight; unset, 5 seconds. Browsers bound it themselves."""
    allow_credentials: bool = False
    """Whether requests may carry cookies and other credentials. Not together with `*`, for which browsers refuse it."""

    @model_validator(mode="after")
    def _no_wildcard_with_credentials(self) -> "CorsSettings":
        if not self.allow_credentials:
            return self
        if any(each.exact == "*" for each in self.allow_origins):
            raise ValueError("allowCredentials with the origin * would let every site act as the user; name origins")
        lists = {
            "allowMethods": self.allow_methods, "allowHeaders": self.allow_headers, "exposeHeaders": self.expose_headers
        }  # fmt: skip
        for name, values in lists.items():
            if "*" in values:
                raise ValueError(f"with allowCredentials, browsers take the * of {name} for a name; list the names")
        return self


def origins(settings: CorsSettings) -> Origins:
    """The origins that are allowed."""
    allowed = settings.allow_origins
    return Origins(
        any(each.exact == "*" for each in allowed),
        frozenset(each.exact.encode() for each in allowed if each.exact is not None),
        tuple(each.prefix.encode() for each in allowed if each.prefix is not None),
        tuple(full_match(each.regex) for each in allowed if each.regex is not None),
    )


def wrap(settings: CorsSettings, inner: Handler, tools: Tools, _state: object = None) -> Handler:
    """`inner` behind the answers to preflights."""
    credentials = b"access-control-allow-credentials: true\r\n" if settings.allow_credentials else b""
    preflight = _line(b"access-control-allow-methods", settings.allow_methods)
    preflight += _line(b"access-control-allow-headers", settings.allow_headers)
    if settings.max_age_s is not None:
        preflight += b"access-control-max-age: %d\r\n" % settings.max_age_s
    actual = _line(b"access-control-expose-headers", settings.expose_headers)
    return CrossOrigin(Allowed(origins(settings), credentials + preflight, credentials + actual), inner, tools)


def _line(name: bytes, values: tuple[str, ...]) -> bytes:
    return b"%b: %b\r\n" % (name, ", ".join(values).encode()) if values else b""


POLICY: Policy = Policy(
    "cors",
    CorsSettings,
    wrap,
    outcomes={
        "preflight": "answered with 204 and what is allowed",
        "preflight-refused": "answered with 403, reason `cors-refused`: the origin is not allowed",
        "allowed": "a response got the fields that let its page read it",
        "refused": "a response got no such fields: the origin is not allowed",
    },
)
