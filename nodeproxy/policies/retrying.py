"""Sends an exchange again when its try failed and policy, method, body, budget and time all permit it."""

from nodeproxy.errors import EndpointError
from nodeproxy.exchange.exchange import Exchange, Handler, Tools
from nodeproxy.policies.budget import NOTED_EVERY, Budget
from nodeproxy.policies.buffered_body import KEPT_BYTES, BufferedBody
from nodeproxy.policies.retry_plan import RetryPlan, backoff_s, condition_of
from nodeproxy.protocol.grpc import refusal
from nodeproxy.protocol.message import Response
from nodeproxy.protocol.retry_after import retry_after_s


class Retries:
    """The balancer chooses the endpoint of each try: a different one, while there is one."""

    def __init__(self, plan: RetryPlan, inner: Handler, tools: Tools, budget: Budget) -> None:
        self._plan = plan
        self._inner = inner
        self._tools = tools
        self._budget = budget
        self._statuses = plan.statuses
        self._deliveries_most = 1 + plan.attempts

    async def __call__(self, exchange: Exchange) -> Response:
        """The first response that is not a failed try, or the last response."""
        if exchange.body.streamed:
            exchange.body = BufferedBody(exchange.body)
        exchange.deliveries_most = self._deliveries_most
        attempt = 0
        load = self._budget.load
        load.begun += 1
        if not load.begun % NOTED_EVERY:
            self._budget.note()
        try:
            while True:
                try:
                    response = await self._inner(exchange)
                    if response.status not in self._statuses and exchange.call is None:
                        return response
                    condition = condition_of_response(exchange, response, self._plan)
                    if condition is None:
                        return response
                    wait_s = self._wait_after_response(exchange, response, condition, attempt)
                    if wait_s < 0:
                        return response
                    response.close()
                except EndpointError as error:
                    wait_s = self._wait_after_error(exchange, error, attempt)
                    if wait_s < 0:
                        raise
                attempt += 1
                self._tools.stats.retries += 1
                exchange.scope.moved(self._tools.now())
                await self._tools.sleep(wait_s)
        finally:
            load.ended += 1
            if attempt:
                self._budget.retry_ended()

    def _wait_after_response(self, exchange: Exchange, response: Response, condition: str, attempt: int) -> float:
        """After how many seconds the next try begins; below 0: there is none, and the response is the answer."""
        if not _may_repeat(exchange, condition, self._plan):
            return -1.0
        least_s = 0.0
        if self._plan.retry_after_most_s:
            least_s = retry_after_s(response.fields) or 0.0
            if least_s > self._plan.retry_after_most_s:
                return self._give_up(exchange, "retry-after")
        wait_s = self._wait_s(exchange, condition, attempt, least_s)
        if wait_s >= 0 and exchange.endpoint is not None:
            exchange.tried = [*(exchange.tried or ()), exchange.endpoint]
        return wait_s

    def _wait_after_error(self, exchange: Exchange, error: EndpointError, attempt: int) -> float:
        """As `_wait_after_response`."""
        condition = condition_of(error, exchange.request.method in self._plan.methods, self._plan.conditions)
        if not condition:
            return -1.0
        wait_s = self._wait_s(exchange, condition, attempt, 0.0)
        if wait_s < 0 and exchange.not_retried == "over-budget":
            error.args = (f"{error}; not sent again: the retryBudget of the service is used up",)
        return wait_s

    def _wait_s(self, exchange: Exchange, condition: str, attempt: int, least_s: float) -> float:
        plan, budget = self._plan, self._budget
        if attempt >= plan.attempts:
            return self._give_up(exchange, "exhausted")
        now, scope = self._tools.now(), exchange.scope
        if now + least_s >= min(scope.ends(), now + scope.silence_s()):
            return self._give_up(exchange, "out-of-time")
        if not budget.retry(exchange, holding=attempt > 0):
            return self._give_up(exchange, "over-budget")
        # Asked last: it restarts the body, which may still be being sent.
        if not exchange.may_be_delivered_again():
            if not attempt:
                budget.retry_ended()
            return self._give_up(exchange, "not-repeatable")
        self._tools.decisions.count(f"retried-{condition}", exchange)
        return least_s + backoff_s(attempt + 1, plan.base_s, plan.max_s, self._tools.random)

    def _give_up(self, exchange: Exchange, why: str) -> float:
        self._tools.decisions.count(why, exchange)
        exchange.not_retried = why
        return -1.0


class UnsentRetries:
    """Counts the retries that a `Retries` with this plan would have begun with, and sends none of them."""

    def __init__(self, plan: RetryPlan, inner: Handler, tools: Tools) -> None:
        self._plan = plan
        self._inner = inner
        self._decisions = tools.decisions

    async def __call__(self, exchange: Exchange) -> Response:
        """See Handler."""
        idempotent = exchange.request.method in self._plan.methods
        try:
            response = await self._inner(exchange)
        except EndpointError as error:
            self._count(exchange, condition_of(error, idempotent, self._plan.conditions))
            raise
        plan = self._plan
        condition = condition_of_response(exchange, response, plan)
        if condition is not None and _may_repeat(exchange, condition, plan):
            self._count(exchange, condition)
        return response

    def _count(self, exchange: Exchange, condition: str) -> None:
        body = exchange.body  # it was not buffered: whether that would have been possible, its length says
        if not condition or exchange.answered:
            return
        keepable = not body.streamed or 0 <= body.length <= KEPT_BYTES
        self._decisions.count(f"retried-{condition}" if keepable else "not-repeatable", exchange)


def condition_of_response(exchange: Exchange, response: Response, plan: RetryPlan) -> str | None:
    """The condition by which `response` is a failed try, None if it is none."""
    if exchange.call is not None and plan.grpc_statuses and response.body is None:
        condition = plan.grpc_statuses.get(refusal(response))
        if condition is not None:
            return condition
    return plan.statuses.get(response.status)


def _may_repeat(exchange: Exchange, condition: str, plan: RetryPlan) -> bool:
    """Whether an exchange whose response meets `condition` may be received twice, by its method or by being a call."""
    return exchange.request.method in plan.methods or (
        exchange.call is not None and condition in plan.grpc_statuses.values()
    )
