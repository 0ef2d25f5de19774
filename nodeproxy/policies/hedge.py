"""Sends a second attempt beside one that takes long."""

from dataclasses import dataclass

from nodeproxy.errors import NoOtherEndpoint, ProxyError
from nodeproxy.exchange.body import WholeBody
from nodeproxy.exchange.exchange import Exchange, Handler, Tools
from nodeproxy.io.reactor import Reactor
from nodeproxy.io.task import Overtaken
from nodeproxy.policies.budget import NOTED_EVERY, Budget
from nodeproxy.policies.hedge_delays import Delays
from nodeproxy.policies.latencies import Latencies
from nodeproxy.policies.race import Race, failed
from nodeproxy.protocol.message import Response


@dataclass(frozen=True, slots=True)
class HedgePlan:
    """What the settings of `hedging` ask for."""

    methods: frozenset[bytes]
    delay_s: float
    """The shortest delay."""
    by_latency: bool
    """Whether the delay is at least the quantile of the latencies."""
    most: int
    """Attempts beside the first."""
    counts: bool
    """Whether exchanges are to be counted for the budget: otherwise a policy outside of this one does that."""

    def wants(self, exchange: Exchange) -> bool:
        """Whether an exchange may have several attempts at once: received twice, it does what it does once."""
        method = exchange.request.method
        return (
            method in self.methods and not exchange.request.upgrade and (method != b"POST" or exchange.call is not None)
        )


class Hedging:
    """The first response head wins; see `Race`."""

    def __init__(self, plan: HedgePlan, inner: Handler, tools: Tools, latencies: Latencies, budget: Budget) -> None:
        self._plan = plan
        self._inner = inner
        self._tools = tools
        self._latencies = latencies
        self._budget = budget
        self._counted = 1 if plan.counts else 0
        self._learns = plan.by_latency
        self._delays = Delays()

    async def __call__(self, exchange: Exchange) -> Response:
        """See Handler."""
        load, counted, reactor = self._budget.load, self._counted, exchange.scope.task.reactor
        load.begun += counted
        if counted and not load.begun % NOTED_EVERY:
            self._budget.note()
        try:
            body = exchange.body
            if type(body) is not WholeBody or not self._plan.wants(exchange):
                return await self._inner(exchange)
            return await self._race(exchange, body, reactor)
        finally:
            load.ended += counted

    async def _race(self, exchange: Exchange, body: WholeBody, reactor: Reactor) -> Response:
        race = Race(exchange, body, self._plan.most, self)
        delay_s = self._latencies.quantile_s if self._learns else 0.0
        self._delays.put(race, delay_s if delay_s > self._plan.delay_s else self._plan.delay_s, reactor)
        failure: ProxyError | None = None
        try:
            try:
                response = await self._inner(exchange)
                if failed(exchange, response):
                    response = await race.better_than(response)
            except Overtaken:
                taken = race.take()
                if taken is None:
                    raise
                response = taken
            except ProxyError as error:
                if not race.goes_on(error):
                    raise
                failure = error
            if failure is not None:
                taken = await race.outcome()
                if taken is None:
                    raise failure
                response = taken
        finally:
            failure = None  # an error that this frame held would hold the frame
            self._delays.drop(race)
            race.end()
            if race.won:
                self._tools.decisions.count("won", exchange)
        if self._learns and not failed(exchange, response):
            # The attempt's own latency: that of a hedged exchange would carry the delay into the next one, and up.
            self._latencies.add(reactor.now - race.began)
        return response

    def grant(self, exchange: Exchange, again: bool) -> bool:
        """See `race.Sender`."""
        granted = self._budget.hedge(exchange, again)
        if not granted and not again:
            self._tools.decisions.count("over-budget", exchange)
        return granted

    def ended(self) -> None:
        """See `race.Sender`."""
        self._budget.hedge_ended()

    async def send(self, race: Race) -> None:
        """See `race.Sender`. An error here is not the client's, unless all attempts fail."""
        fork, decisions = race.fork(), self._tools.decisions
        began = self._tools.now()
        try:
            response = await self._inner(fork)
            race.answered(fork, response, began)
        except NoOtherEndpoint:
            decisions.count("no-other-endpoint", fork)
        except ProxyError:
            pass
        finally:
            if fork.tries:
                decisions.count("hedged", fork)
            race.ended()


class UnsentHedges:
    """Counts exchanges that a `Hedging` with this plan would have hedged."""

    def __init__(self, plan: HedgePlan, inner: Handler, tools: Tools, latencies: Latencies) -> None:
        self._plan = plan
        self._inner = inner
        self._tools = tools
        self._latencies = latencies

    async def __call__(self, exchange: Exchange) -> Response:
        """See Handler."""
        plan = self._plan
        if type(exchange.body) is not WholeBody or not plan.wants(exchange):
            return await self._inner(exchange)
        reactor = exchange.scope.task.reactor
        delay_s = max(plan.delay_s, self._latencies.quantile_s if plan.by_latency else 0.0)
        began = reactor.now
        try:
            response = await self._inner(exchange)
        finally:
            if reactor.now - began >= delay_s:
                self._tools.decisions.count("hedged", exchange)
        if plan.by_latency and not failed(exchange, response):
            self._latencies.add(reactor.now - began)
        return response
