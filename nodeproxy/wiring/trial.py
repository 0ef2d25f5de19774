"""A service that has one custom policy, for the tests of that policy: no sockets, and a clock that waits move.

What a table may say, the order of policies and what becomes of mistakes are those of a running node.
"""

from collections.abc import Callable, Mapping
from typing import Any

from nodeproxy.errors import PolicyFailed, ProxyError
from nodeproxy.exchange.body import WholeBody
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Exchange, Tools
from nodeproxy.io.event import Event
from nodeproxy.io.reactor import Reactor
from nodeproxy.io.scope import Scope
from nodeproxy.mesh.callers import Callers
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.policies.block import Policy
from nodeproxy.policies.guard import guarded
from nodeproxy.policies.registry import BUILT_IN
from nodeproxy.protocol.errors_as_responses import error_response, own_response
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Request, Response
from nodeproxy.table.builder import Live
from nodeproxy.table.makers import Makers
from nodeproxy.table.table import Route
from nodeproxy.telemetry.stats import RouteStats
from nodeproxy.telemetry.whereabouts import Whereabouts

STARTED = 1000.0
Answer = Callable[[Request], Response]


def ok(_request: Request) -> Response:
    """The answer of an endpoint unless a test has another: 200, `ok`."""
    return own_response(200, b"ok", b"text/plain")


class Trial:
    """The service `web` in the namespace `shop`. `answer` makes the response of its endpoint.

    Raises:
        PolicyRefused: the settings are not valid.
    """

    def __init__(
        self, policy: Policy, settings: Mapping[str, Any] | None = None, answer: Answer = ok, caller: str = "10.0.0.9"
    ) -> None:
        self.now = STARTED
        """Monotonic seconds; `tools.sleep` moves them."""
        self.received: list[Request] = []
        """The requests that have reached the endpoint."""
        self._policy = policy
        self._answer = answer
        self._caller = caller
        self._reactor = Reactor(lambda: self.now)
        makers = Makers(lambda *_: self._endpoint, lambda *_: None, lambda _: None, self._tools)
        registry = BUILT_IN.with_own(guarded((policy,), Whereabouts().cell()))
        self._live = Live(makers, lambda: self.now, "shop", Callers(), registry=registry)
        self._live.install(Replace((self._service(settings),)))

    def configure(self, settings: Mapping[str, Any] | None) -> None:
        """Put other settings in force, as an update of the table does.

        Raises:
            PolicyRefused: they are not valid; the ones before stay in force.
        """
        self._live.install(Put(self._service(settings)))

    def request(
        self, method: str = "GET", path: str = "/", fields: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Response:
        """What a client gets, errors of the mesh included. An exception in the policy is raised as it is.

        Raises:
            AssertionError: the policy waits for something that never happens.
        """
        lines = "".join(f"{name}: {value}\r\n" for name, value in (fields or {}).items())
        request = Request(method.encode(), b"web.shop.mesh", path.encode(), Fields(lines.encode()), len(body))
        found: list[Response | BaseException] = []
        task = self._reactor.spawn(self._call(request, body, found))
        while not task.ended:
            assert self._reactor.turn(), f"{self._policy.name} waits for something that never happens in a trial"
        if isinstance(found[0], BaseException):
            raise found[0]
        return found[0]

    @property
    def decisions(self) -> dict[str, int]:
        """How often the policy has decided what, by outcome."""
        counted = self._route.stats.decisions
        return {outcome: number for (policy, outcome, _), number in counted.items() if policy == self._policy.name}

    @property
    def _route(self) -> Route:
        return next(iter(self._live.table))

    async def _call(self, request: Request, body: bytes, found: list[Response | BaseException]) -> None:
        scope = Scope(self._reactor.current)
        exchange = Exchange(request, WholeBody(body), self._caller, scope, self.now)
        try:
            found.append(await self._route.handler(exchange))
        except PolicyFailed as failure:
            found.append(failure.__cause__ or failure)
        except ProxyError as error:
            found.append(error_response(error))
        except BaseException as error:
            found.append(error)

    async def _endpoint(self, exchange: Exchange) -> Response:
        self.received.append(exchange.request)
        return self._answer(exchange.request)

    def _service(self, settings: Mapping[str, Any] | None) -> Service:
        return Service("shop", "web", ports=(Port(80),), policies={self._policy.name: dict(settings or {})})

    def _tools(self, stats: RouteStats, decisions: Decisions) -> Tools:
        return Tools(lambda: self.now, lambda: 0.5, self._sleep, stats, decisions, event=lambda: Event(self._reactor))

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        await self._reactor.rest()
