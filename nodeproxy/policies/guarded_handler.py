"""The handler of a custom policy, and the one it stands around: whose step it is, and whose mistake."""

from collections.abc import Awaitable, Callable, Generator
from inspect import isawaitable
from typing import Any, Protocol

from nodeproxy.errors import DeadlinePassed, PolicyFailed, ProxyError
from nodeproxy.exchange.exchange import Exchange, Handler, Tools
from nodeproxy.protocol.message import Response
from nodeproxy.telemetry.whereabouts import NOWHERE, Cell

FOREIGN = (
    "it waits for something that is not the mesh's (asyncio, trio, a thread); use tools.sleep, tools.event or"
    " tools.elsewhere"
)


class Keeper(Protocol):
    """See `guard.Guard`."""

    number: int
    cell: Cell
    clock: Callable[[], float]

    def failed(self, tools: Tools, where: str, error: BaseException) -> PolicyFailed:
        """The error of the exchange that this mistake has ended."""
        ...

    def nonsense(self, tools: Tools, where: str, found: object, expected: str) -> PolicyFailed:
        """The error of an exchange for which the policy returned something else than it must."""
        ...

    def count(self, tools: Tools, elapsed_s: float) -> None:
        """Count one call, and what it added to the time of an exchange."""
        ...


class Visit:
    """One exchange inside of a policy's handler: what the handler got from inside."""

    __slots__ = ("error", "inside_s", "response", "waits_inside")

    def __init__(self) -> None:
        self.inside_s = 0.0
        self.waits_inside = 0
        self.response: Response | None = None
        self.error: BaseException | None = None


class Stepped:
    """An awaitable each of whose steps is taken in a policy, or, inside of one, in none."""

    __slots__ = ("_awaitable", "_cell", "_policy")

    def __init__(self, awaitable: Awaitable[Any], cell: Cell, policy: int) -> None:
        self._awaitable = awaitable
        self._cell = cell
        self._policy = policy

    def __await__(self) -> Generator[Any, None, Any]:
        """The same steps."""
        enter, policy = self._cell.enter, self._policy
        steps = self._awaitable.__await__()
        thrown: BaseException | None = None
        while True:
            before = enter(policy)
            try:
                waits_for = steps.send(None) if thrown is None else steps.throw(thrown)
            except StopIteration as end:
                return end.value
            finally:
                enter(before)
                thrown = None
            if waits_for is not None:  # the lane's tasks wait for nothing but their next turn
                thrown = TypeError(FOREIGN)
                continue
            try:
                yield
            except BaseException as error:
                thrown = error


class Inside:
    """What a policy's handler stands around, as the policy has it."""

    __slots__ = ("_guard", "_inner", "visits")

    def __init__(self, inner: Handler, guard: Keeper) -> None:
        self._inner = inner
        self._guard = guard
        self.visits: dict[Exchange, Visit] = {}

    @property
    def inner(self) -> Handler:
        """The handler itself."""
        return self._inner

    async def __call__(self, exchange: Exchange) -> Response:
        """See Handler."""
        visit, clock = self.visits.get(exchange) or Visit(), self._guard.clock  # that of a fork is nobody's
        began = clock()
        visit.waits_inside += 1
        try:
            visit.response = await Stepped(self._inner(exchange), self._guard.cell, NOWHERE)
        except BaseException as error:
            visit.error = error
            raise
        finally:
            visit.waits_inside -= 1
            visit.inside_s += clock() - began
        return visit.response


class GuardedHandler:
    """The handler of a policy. In shadow mode its mistakes change nothing."""

    __slots__ = ("_guard", "_handler", "_inside", "_tools")

    def __init__(self, handler: Handler, inside: Inside, tools: Tools, guard: Keeper) -> None:
        self._handler = handler
        self._inside = inside
        self._tools = tools
        self._guard = guard

    async def __call__(self, exchange: Exchange) -> Response:
        """See Handler.

        Raises:
            PolicyFailed: the policy raised what is no ProxyError, or returned what is no response.
        """
        guard, visits, began = self._guard, self._inside.visits, self._guard.clock()
        visit = visits[exchange] = Visit()
        decisions = self._tools.decisions
        try:
            response = await self._answered(exchange, visit)
            if not decisions.shadow or response is visit.response:
                return response
            decisions.count("rejected", exchange)
            instead = _without_policy(visit)
        except ProxyError as error:
            failed = isinstance(error, PolicyFailed) and error is not visit.error
            if failed and visit.response is not None and not decisions.shadow:
                visit.response.close()
            if error is visit.error or not decisions.shadow:
                raise
            if not failed:
                decisions.count("rejected", exchange)
            instead = _without_policy(visit)
        finally:
            del visits[exchange]
            guard.count(self._tools, guard.clock() - began - visit.inside_s)
            visit.error = None  # its traceback has this frame
        inner = self._inside.inner  # mypyc would call the property in place of what it returns
        return instead if instead is not None else await inner(exchange)

    async def _answered(self, exchange: Exchange, visit: Visit) -> Response:
        guard, tools = self._guard, self._tools
        before = guard.cell.enter(guard.number)
        try:
            answer: object = self._handler(exchange)
        except ProxyError:
            raise
        except (Exception, SystemExit) as error:  # a mistake of a foreign package ends this exchange alone
            raise guard.failed(tools, "its handler", error) from error
        finally:
            guard.cell.enter(before)
        if not isawaitable(answer):
            raise guard.nonsense(tools, "its handler", answer, "an awaitable Response")
        try:
            answer = await Stepped(answer, guard.cell, guard.number)
        except DeadlinePassed as late:
            if late is visit.error or visit.waits_inside:
                raise
            raise guard.failed(tools, "its handler, which still waited when the request's time was up", late) from None
        except ProxyError:
            raise
        except (Exception, SystemExit) as error:
            if error is visit.error:  # from inside: no mistake of this policy
                raise
            raise guard.failed(tools, "its handler", error) from error
        if not isinstance(answer, Response):
            raise guard.nonsense(tools, "its handler", answer, "a Response")
        return answer


def _without_policy(visit: Visit) -> Response | None:
    """What the exchange would have got without the policy, None where it has not been sent on.

    Raises:
        BaseException: that of the handler inside.
    """
    if visit.response is not None:
        return visit.response
    if visit.error is not None:
        raise visit.error
    return None
