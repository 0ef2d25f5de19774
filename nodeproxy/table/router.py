"""The handler of a port with rules. It finds the rule of a request and returns the coroutine of the rule's handler."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from nodeproxy.errors import ProxyError
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Exchange, Handler
from nodeproxy.policies.compiled_routes import CompiledRule
from nodeproxy.protocol.calls import refused
from nodeproxy.protocol.errors_as_responses import error_response
from nodeproxy.protocol.message import Request, Response
from nodeproxy.routing.router import Router

Counts = tuple[str, str, str]
"""A key of `telemetry.stats.RouteStats.decisions`."""


class Step(NamedTuple):
    """What becomes of the requests of one rule."""

    label: str
    counted: Counts
    edit: Callable[[Request], None] | None
    handler: Handler


class RoutedRequests:
    """Hands each request to the handler of its rule; one that no rule matches, to that of the service itself."""

    __slots__ = ("_counts", "_find", "_otherwise", "_steps")

    def __init__(self, router: Router, steps: Sequence[Step], otherwise: Handler, counts: dict[Counts, int]) -> None:
        self._find = router.find
        self._steps = tuple(steps)
        self._otherwise = otherwise
        self._counts = counts

    def __call__(self, exchange: Exchange) -> Awaitable[Response]:
        """See Handler.

        Raises:
            BadRequest: the path cannot be rewritten as the rule says.
        """
        index = self._find(exchange.request, exchange.caller)
        if index < 0:
            return self._otherwise(exchange)
        exchange.rule, counted, edit, handler = self._steps[index]
        counts = self._counts
        counts[counted] = counts.get(counted, 0) + 1
        if edit is not None:
            edit(exchange.request)
        return handler(exchange)


class RehearsedRoutes:
    """The same in shadow mode: what would decide is counted, and the service itself gets all requests."""

    __slots__ = ("_decisions", "_find", "_labels", "_otherwise")

    def __init__(self, router: Router, labels: Sequence[str], otherwise: Handler, decisions: Decisions) -> None:
        self._find = router.find
        self._labels = labels
        self._otherwise = otherwise
        self._decisions = decisions

    def __call__(self, exchange: Exchange) -> Awaitable[Response]:
        """See Handler."""
        index = self._find(exchange.request, exchange.caller)
        if index >= 0:
            self._decisions.count(self._labels[index], exchange)
        return self._otherwise(exchange)


def answering(rule: CompiledRule, inner: Handler) -> Handler:
    """The handler of a rule: `inner`, unless the rule answers itself or changes what the client receives.

    The changes are made to answers of the mesh itself too, errors among them, as Envoy does with local replies. Not to
    errors of the client, whose connection may be closed because of them.
    """
    respond, answer = rule.respond, rule.answer
    if respond is not None:

        async def responded(exchange: Exchange) -> Response:
            response = respond(exchange.request)
            if answer is not None:
                answer(response)
            return response

        return responded
    if answer is None:
        return inner

    async def answered(exchange: Exchange) -> Response:
        try:
            response = await inner(exchange)
        except ProxyError as error:
            if error.fault == "client":
                raise
            response = error_response(error) if exchange.call is None else refused(error)
        answer(response)
        return response

    return answered
