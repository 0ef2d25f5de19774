"""A service port with two tables: the last good one, and a changed one for a share of its requests and connections.

Counts failures by table; `discovery.rollouts` judges them.
"""

import dataclasses

from nodeproxy.balance.weights import Weights
from nodeproxy.errors import ProxyError
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Exchange, Handler
from nodeproxy.policies.rollout import LAST_GOOD, LAST_GOOD_FAILED, NEW, NEW_FAILED
from nodeproxy.protocol.grpc import effective_status
from nodeproxy.protocol.message import Response
from nodeproxy.table.table import Route

STEPS = 10_000  # a percentage is exact to a hundredth


class Arms:
    """The handler of a port during a trial. A request keeps the table that it began with."""

    __slots__ = ("_decisions", "_last_good", "_new", "_weights")

    def __init__(self, last_good: Handler, new: Handler, weights: Weights, decisions: Decisions) -> None:
        self._last_good = last_good
        self._new = new
        self._weights = weights
        self._decisions = decisions

    async def __call__(self, exchange: Exchange) -> Response:
        """See Handler."""
        new = bool(self._weights.next())
        passed, failed = (NEW, NEW_FAILED) if new else (LAST_GOOD, LAST_GOOD_FAILED)
        try:
            response = await (self._new if new else self._last_good)(exchange)
        except ProxyError as error:
            self._decisions.count(failed if error.status >= 500 else passed)
            raise
        status = response.status if exchange.call is None else effective_status(response)
        self._decisions.count(failed if status >= 500 else passed)
        return response


def arms(last_good: Route, new: Route, percentage: float) -> Route:
    """The route of `last_good` with `new` for this percentage (0 to 100) of its requests and connections, exactly."""
    share = round(percentage / 100 * STEPS)
    weights = Weights((STEPS - share, share))
    decisions = Decisions(last_good.stats.decisions, "rollout", "enforce", last_good.stats.service_port)
    connect = None
    if last_good.connect is not None and new.connect is not None:
        connect = Arms(last_good.connect, new.connect, weights, decisions)
    return dataclasses.replace(
        last_good,
        handler=Arms(last_good.handler, new.handler, weights, decisions),
        connect=connect,
        last_good=last_good,
        trial=new,
    )
