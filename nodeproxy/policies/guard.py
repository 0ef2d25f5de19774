"""What stands around a custom policy: its mistakes end one exchange, its time is counted, its place is known.

A guarded policy is a `Policy` like all others. What one that is not guarded costs has not changed: nothing of this is
between it and its exchanges.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from time import perf_counter
from typing import Any, NamedTuple

from nodeproxy.errors import PolicyFailed, ProxyError
from nodeproxy.exchange.exchange import Exchange, Handler, Tools
from nodeproxy.policies.block import Policy, PolicySettings
from nodeproxy.policies.guarded_handler import GuardedHandler, Inside
from nodeproxy.protocol.errors_as_responses import error_response
from nodeproxy.protocol.message import Response
from nodeproxy.telemetry.whereabouts import Cell

QUIET_S = 10.0  # between two tracebacks of one policy: one that fails for every request must not fill the log
log = logging.getLogger(__name__)


class Kept(NamedTuple):
    """The state of a guarded policy: its own, or what went wrong when that was made."""

    state: Any
    settings: PolicySettings
    tools: Tools
    failure: PolicyFailed | None = None


class Guard:
    """Calls the functions of one policy, which is the worker's policy of this number."""

    def __init__(self, policy: Policy, number: int, cell: Cell, clock: Callable[[], float] = perf_counter) -> None:
        self.name = policy.name
        self.number = number
        self.cell = cell
        self.clock = clock
        self._policy = policy
        reason = f"{PolicyFailed.reason}:{policy.name}"
        self._failure: type[PolicyFailed] = type("PolicyFailed", (PolicyFailed,), {"reason": reason})
        self._quiet_until = -inf
        self._quiet = 0

    def called(self, tools: Tools, where: str, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
        """What the policy's function returns.

        Raises:
            ProxyError: that of the policy, or PolicyFailed where it raised anything else.
        """
        began = self.clock()
        try:
            return self.entered(tools, where, function, *arguments)
        finally:
            self.count(tools, self.clock() - began)

    def entered(self, tools: Tools, where: str, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
        """The same, without being counted: for what no request calls.

        Raises:
            ProxyError: see `called`.
        """
        before = self.cell.enter(self.number)
        try:
            return function(*arguments)
        except ProxyError:
            raise
        except (Exception, SystemExit) as error:  # a mistake of a foreign package ends this exchange alone
            raise self.failed(tools, where, error) from error
        finally:
            self.cell.enter(before)

    def failed(self, tools: Tools, where: str, error: BaseException) -> PolicyFailed:
        """The error of an exchange that this mistake has ended. It is logged and counted; the client reads its kind."""
        tools.decisions.count("failed")
        now = self.clock()
        if now >= self._quiet_until:
            more = {"policy": self.name, "where": where, "service_port": tools.stats.service_port, "quiet": self._quiet}
            log.error("a custom policy failed", extra=more, exc_info=error)
            self._quiet_until, self._quiet = now + QUIET_S, 0
        else:
            self._quiet += 1
        failure = self._failure(f"{self.name} failed in {where} ({type(error).__name__}); see the node's log")
        failure.__cause__ = error  # said here too: compiled by mypyc, `raise … from` does not set it
        return failure

    def count(self, tools: Tools, elapsed_s: float) -> None:
        """Count one call, and what it added to the time of an exchange."""
        stats = tools.stats.of_own_policy(self.name)
        stats.calls += 1
        stats.seconds += elapsed_s

    def guarded(self) -> Policy:
        """The policy, inside of this guard."""
        policy = self._policy
        return replace(
            policy,
            state=self._state,
            on_request=policy.on_request and self._on_request,
            on_response=policy.on_response and self._on_response,
            wrap=policy.wrap and self._wrap,
            wrap_attempt=policy.wrap_attempt and self._wrap_attempt,
            numbers=policy.numbers and self._numbers,
            outcomes={**policy.outcomes, "failed": "the policy itself failed; the request got 500"},
        )

    def _state(self, settings: PolicySettings, before: Kept | None, tools: Tools) -> Kept:
        make = self._policy.state
        if make is None:
            return Kept(None, settings, tools)
        try:
            own = None if before is None else before.state
            return Kept(self.called(tools, "state", make, settings, own, tools), settings, tools)
        except ProxyError as error:
            return Kept(None, settings, tools, self._as_failure(tools, "state", error))

    def _on_request(self, exchange: Exchange, kept: Kept) -> Response | None:
        function = self._policy.on_request
        assert function is not None
        try:
            response = self._flat(kept, "on_request", function, exchange)
            if response is not None and not isinstance(response, Response):
                raise self.nonsense(kept.tools, "on_request", response, "a Response or None")
        except PolicyFailed:
            if kept.tools.decisions.shadow:
                return None
            raise
        except ProxyError as error:
            return error_response(error)  # a refusal, which shadow mode drops
        return response

    def _on_response(self, exchange: Exchange, response: Response, kept: Kept) -> None:
        function = self._policy.on_response
        assert function is not None
        try:
            self._flat(kept, "on_response", function, exchange, response)
        except ProxyError as error:
            if kept.tools.decisions.shadow:
                return
            dismiss(response, error)
            raise

    def _flat(self, kept: Kept, where: str, function: Callable[..., Any], *about: object) -> Any:  # noqa: ANN401
        if kept.failure is not None:
            raise _again(kept.failure)
        state = kept.settings if kept.state is None else kept.state
        return self.called(kept.tools, where, function, *about, state)

    def _wrap(self, settings: PolicySettings, inner: Handler, tools: Tools, kept: Kept) -> Handler:
        if kept.failure is not None:
            return inner if tools.decisions.shadow else _failing(kept.failure)
        return self._around(tools, "wrap", inner, lambda inside, own: (settings, inside, own, kept.state))

    def _wrap_attempt(self, settings: PolicySettings, inner: Handler, tools: Tools) -> Handler:
        return self._around(tools, "wrap_attempt", inner, lambda inside, own: (settings, inside, own))

    def _around(
        self, tools: Tools, where: str, inner: Handler, arguments: Callable[[Handler, Tools], tuple[object, ...]]
    ) -> Handler:
        make = self._policy.wrap if where == "wrap" else self._policy.wrap_attempt
        assert make is not None
        inside = Inside(inner, self)
        try:
            handler = self.called(tools, where, make, *arguments(inside, _with_own_states(tools)))
            if not callable(handler):
                raise self.nonsense(tools, where, handler, "a handler")
        except ProxyError as error:
            failure = self._as_failure(tools, where, error)  # which counts and logs it, in shadow mode too
            return inner if tools.decisions.shadow else _failing(failure)
        return inner if handler is inside else GuardedHandler(handler, inside, tools, self)

    def _numbers(self, kept: Kept) -> Mapping[str, float]:
        function = self._policy.numbers
        if function is None or kept.state is None:
            return {}
        try:
            numbers = self.entered(kept.tools, "numbers", function, kept.state)
            return {str(name): float(number) for name, number in numbers.items()}
        except (PolicyFailed, AttributeError, TypeError, ValueError):
            return {}

    def nonsense(self, tools: Tools, where: str, found: object, expected: str) -> PolicyFailed:
        """The error of an exchange for which the policy returned something else than it must."""
        if hasattr(found, "close") and hasattr(found, "cr_code"):
            found.close()  # else the interpreter warns that it was never awaited
            expected += "; what waits belongs into wrap"
        return self.failed(tools, where, TypeError(f"it returned a {type(found).__name__}, not {expected}"))

    def _as_failure(self, tools: Tools, where: str, error: ProxyError) -> PolicyFailed:
        """What building an object of the policy raised, as the error of each exchange that would need the object."""
        return error if isinstance(error, PolicyFailed) else self.failed(tools, where, error)


def guarded(policies: tuple[Policy, ...], cell: Cell) -> tuple[Policy, ...]:
    """These custom policies for a worker; `cell` has the one that it is in, counted from 1."""
    return tuple(Guard(policy, number, cell).guarded() for number, policy in enumerate(policies, 1))


def dismiss(response: Response, error: ProxyError) -> None:
    """Give up a response that will not be read, because of `error`."""
    if response.attempt is not None:
        response.attempt.end(error.reason)
    response.close()


def _with_own_states(tools: Tools) -> Tools:
    states = {name: each.state if isinstance(each, Kept) else each for name, each in tools.states.items()}
    return replace(tools, states=states)


def _again(failure: PolicyFailed) -> PolicyFailed:
    """The same for one more exchange."""
    return type(failure)(*failure.args)


def _failing(failure: PolicyFailed) -> Handler:
    async def fail(_exchange: Exchange) -> Response:
        raise _again(failure)

    return fail
