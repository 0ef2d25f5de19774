"""Rules of `routes` made ready for requests: what finds the rule of a request, and what each changes or answers."""

from collections.abc import Callable
from typing import NamedTuple

from nodeproxy.policies.fallback import FallbackResponse, field_lines
from nodeproxy.policies.header_edits import edits
from nodeproxy.policies.path_change import path_change
from nodeproxy.policies.route_rules import Redirect, Rewrite, Rule, refusing
from nodeproxy.policies.routes import RoutesSettings
from nodeproxy.protocol.errors_as_responses import own_response
from nodeproxy.protocol.message import Request, Response
from nodeproxy.routing.location import Elsewhere, location
from nodeproxy.routing.router import Router

PLAIN_TEXT = b"text/plain; charset=utf-8"


class CompiledRule(NamedTuple):
    """What becomes of the requests of one rule."""

    label: str
    """Its name, or its number from 1."""
    respond: Callable[[Request], Response] | None
    """Answers in the place of an endpoint: a redirect, or a fixed response. Raises BadRequest as `edit`."""
    edit: Callable[[Request], None] | None
    """Changes the request, once, before its handler has it. Raises BadRequest where a path cannot be rewritten."""
    answer: Callable[[Response], None] | None
    """Changes what the client receives."""


class CompiledRoutes(NamedTuple):
    """The rules of one table, in their order."""

    router: Router
    rules: tuple[CompiledRule, ...]


def compiled(settings: RoutesSettings) -> CompiledRoutes:
    """The rules ready for requests; whatever could be wrong with them has been refused with the settings."""
    router = Router([rule.match for rule in settings.rules], refusing(settings.rules))
    return CompiledRoutes(router, tuple(_rule(rule, number) for number, rule in enumerate(settings.rules, 1)))


def _rule(rule: Rule, number: int) -> CompiledRule:
    respond: Callable[[Request], Response] | None = None
    if rule.redirect is not None:
        respond = _redirect(rule.redirect, rule)
    elif rule.direct_response is not None:
        respond = _fixed(rule.direct_response)
    change = edits(rule.headers.response)
    return CompiledRule(
        label=rule.name or str(number),
        respond=respond,
        edit=_edit(rule),
        answer=None if change is None else lambda response: change(response.fields),
    )


def _edit(rule: Rule) -> Callable[[Request], None] | None:
    rewrite, change = _rewrite(rule.rewrite, rule), edits(rule.headers.request)
    if change is None:
        return rewrite

    def edit(request: Request) -> None:
        if rewrite is not None:
            rewrite(request)
        change(request.fields)

    return edit


def _rewrite(rewrite: Rewrite | None, rule: Rule) -> Callable[[Request], None] | None:
    if rewrite is None or (rewrite.path is None and rewrite.host is None):
        return None
    path = None if rewrite.path is None else path_change(rewrite.path, rule.match)
    host = None if rewrite.host is None else rewrite.host.encode()

    def changed(request: Request) -> None:
        if path is not None:
            request.path = path(request.path)
        if host is not None:
            request.replace_host(host)

    return changed


def _redirect(redirect: Redirect, rule: Rule) -> Callable[[Request], Response]:
    path = None if redirect.path is None else path_change(redirect.path, rule.match)
    elsewhere = Elsewhere(redirect.scheme, redirect.host, redirect.port)
    status = redirect.status

    def respond(request: Request) -> Response:
        target = request.path if path is None else path(request.path)
        line = b"Location: %b\r\n" % location(elsewhere, request, target)
        return own_response(status, b"", PLAIN_TEXT, line)

    return respond


def _fixed(written: FallbackResponse) -> Callable[[Request], Response]:
    body, content_type, lines = written.body.encode(), written.content_type.encode(), field_lines(written.headers)
    return lambda _request: own_response(written.status, body, content_type, lines)
