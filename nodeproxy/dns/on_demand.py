"""Subscriptions of the trio lane: requests the endpoints of unsubscribed services and waits for them."""

import trio

from nodeproxy.table.builder import Live

WAIT_S = 2.0  # resolvers retry after five seconds
WAITING_MOST = 128  # half of the concurrent queries: slow ones must not block the others


class EndpointsWaiter:
    """Subscribes to endpoints and waits for them. `notify` must be called when the table has changed."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._changed = trio.Event()
        self._waiting = 0

    def notify(self) -> None:
        """Wake all waiters: the table has changed."""
        self._changed.set()
        self._changed = trio.Event()

    def want(self, key: str) -> bool:
        """Subscribe to this service if it is unsubscribed; returns whether it is."""
        if not self._is_unsubscribed(key):
            return False
        self._live.subscriptions.want(key)
        return True

    async def until_subscribed(self, key: str) -> None:
        """Wait until the service is subscribed, at most WAIT_S. Returns at once if WAITING_MOST others wait."""
        if self._waiting >= WAITING_MOST:
            return
        self._waiting += 1
        try:
            with trio.move_on_after(WAIT_S):
                while self.want(key):
                    await self._changed.wait()
        finally:
            self._waiting -= 1

    def _is_unsubscribed(self, key: str) -> bool:
        return any(route.service.unsubscribed for route in self._live.table.routes.get(key, {}).values())
