"""The handler of `cors`: answers preflights, and writes the fields of responses.

Source: Fetch Standard, "CORS protocol and HTTP caches": what varies by Origin says so, on every response.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from nodeproxy.errors import ProxyError
from nodeproxy.exchange.exchange import Exchange, Handler, Tools
from nodeproxy.protocol.errors_as_responses import own_response
from nodeproxy.protocol.fields import Fields, pairs
from nodeproxy.protocol.message import Response

REASON = "cors-refused"
TEXT = (
    b"nodeproxy: cors-refused: the service's policy cors does not allow this origin;"
    b" check allowOrigins, and scheme, host and port of the page\n"
)
OF_THE_POLICY = tuple(
    b"access-control-" + name
    for name in (
        b"allow-origin", b"allow-credentials", b"allow-methods", b"allow-headers", b"expose-headers", b"max-age"
    )
)  # fmt: skip
_ANY = b"access-control-allow-origin: *\r\n"
_ORIGIN = re.compile(rb"(?:\A|\n)origin:[ \t]*([^\r]*)", re.IGNORECASE)
_ASKS = re.compile(rb"(?:\A|\n)access-control-request-method:", re.IGNORECASE)


class Origins(NamedTuple):
    """Which origins are allowed."""

    all: bool
    exact: frozenset[bytes]
    prefixes: tuple[bytes, ...]
    patterns: tuple[Callable[[bytes], bool], ...]

    def allow(self, origin: bytes) -> bool:
        """Whether a page of this origin may read responses."""
        if self.all or origin in self.exact:
            return True
        if origin == b"null" or b"://" not in origin:  # anyone can have it; no pattern is meant for it
            return False
        return origin.startswith(self.prefixes) or any(matches(origin) for matches in self.patterns)


class Allowed(NamedTuple):
    """What the settings allow, as field lines."""

    origins: Origins
    preflight: bytes
    """Of the answer to a preflight."""
    actual: bytes
    """Of every other response to an origin that is allowed."""

    def lines(self, origin: bytes | None, lines: bytes) -> bytes:
        """The fields of a response to `origin` that has `lines` if that is allowed; None: the client has sent none."""
        if self.origins.all:  # the same for everyone, so that caches keep one response
            return _ANY + lines
        if origin is None or not self.origins.allow(origin):
            return b""
        return b"access-control-allow-origin: %b\r\n%b" % (origin, lines)


class CrossOrigin:
    """Outside of all other policies: a page can read what went wrong, too."""

    __slots__ = ("_allowed", "_inner", "_tools")

    def __init__(self, allowed: Allowed, inner: Handler, tools: Tools) -> None:
        self._allowed = allowed
        self._inner = inner
        self._tools = tools

    async def __call__(self, exchange: Exchange) -> Response:
        """The answer to a preflight, or the response of the service with the fields of the policy."""
        request, decisions = exchange.request, self._tools.decisions
        block = request.fields.block()
        found = _ORIGIN.findall(block)
        origin: bytes | None = b",".join(found).rstrip(b" \t") if found else None
        may = origin is not None and self._allowed.origins.allow(origin)
        preflight = origin is not None and request.method == b"OPTIONS" and _ASKS.search(block) is not None
        if origin is not None:
            outcome = "preflight" if preflight else "allowed"
            if not may:
                outcome = "preflight-refused" if preflight else "refused"
            decisions.count(outcome, exchange)
        if decisions.shadow:
            return await self._inner(exchange)
        if preflight:
            return self._answer(origin, may)
        try:
            response = await self._inner(exchange)
        except ProxyError as error:
            error.lines = self._lines(origin, self._allowed.actual, True)
            raise
        if response.status != 101:  # what follows is no HTTP; a WebSocket's server looks at Origin itself
            self._write(response.fields, origin)
        return response

    def _answer(self, origin: bytes | None, may: bool) -> Response:
        lines = self._lines(origin, self._allowed.preflight, True)
        if may:
            return own_response(204, b"", b"", lines)
        refusal = own_response(403, TEXT, b"text/plain; charset=utf-8", b"x-mesh-error: cors-refused\r\n" + lines)
        refusal.reason = REASON
        return refusal

    def _lines(self, origin: bytes | None, lines: bytes, varies: bool) -> bytes:
        """All lines of a response to `origin`; `varies`: it may say that it depends on Origin, and does not yet."""
        own = self._allowed.lines(origin, lines)
        return own + b"vary: Origin\r\n" if varies and not self._allowed.origins.all else own

    def _write(self, fields: Fields, origin: bytes | None) -> None:
        """Replace the fields of the endpoint by those of the policy."""
        for name in OF_THE_POLICY:
            fields.remove(name)
        varies = not any(
            name == b"vary" and (value == b"*" or b"origin" in re.split(rb"[ \t]*,[ \t]*", value.lower()))
            for name, value in fields.pairs()
        )
        for name, value in pairs(self._lines(origin, self._allowed.actual, varies)):
            fields.add(name, value)
