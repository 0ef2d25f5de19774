"""The handler of `fairness`: a request waits until its caller has a slot."""

from collections.abc import Callable

from nodeproxy.errors import OverShare
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Exchange, Handler
from nodeproxy.io.event import Event
from nodeproxy.policies.caller_key import caller_of
from nodeproxy.policies.fair_shares import Shares, Ticket
from nodeproxy.protocol.errors_as_responses import error_response
from nodeproxy.protocol.message import Response

RETRY_AFTER_S = 1.0  # the least that can be said: how soon places become free is the service's affair


class FairTurns:
    """A request has its slot until the head of its response: how fast a client reads is not the service's load."""

    __slots__ = ("_decisions", "_event", "_inner", "_shares")

    def __init__(self, shares: Shares, inner: Handler, event: Callable[[], Event], decisions: Decisions) -> None:
        self._shares = shares
        self._inner = inner
        self._event = event
        self._decisions = decisions

    async def __call__(self, exchange: Exchange) -> Response:
        """The response of the service, or 503 where too many requests of the caller wait already."""
        shares, caller = self._shares, caller_of(exchange)
        if not shares.take(caller) and not await self._waited(exchange):
            text = (
                f"{shares.waiting} requests of this caller wait for {shares.slots} places of the service's policy"
                " fairness; check the caller's load and the service's capacity"
            )
            return error_response(OverShare(text), RETRY_AFTER_S)
        try:
            response = await self._inner(exchange)
        except BaseException:
            shares.leave(caller)
            raise
        shares.leave(caller)
        return response

    async def _waited(self, exchange: Exchange) -> bool:
        """Wait for a slot; returns False if there is no place to wait."""
        shares, event = self._shares, self._event()
        ticket = Ticket(caller_of(exchange), event.set)
        if self._decisions.shadow:
            self._decisions.count("queued", exchange)
            shares.take_anyway(ticket.caller)
            return True
        if not shares.queue(ticket):
            self._decisions.count("rejected", exchange)
            return False
        self._decisions.count("queued", exchange)
        try:
            await event.wait()
        except BaseException:
            shares.withdraw(ticket)
            raise
        return True
