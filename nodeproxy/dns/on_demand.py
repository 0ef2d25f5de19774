"""For the trio lane: services whose endpoints are not known yet, and waiting until they are."""

import trio

from nodeproxy.table.builder import Live

WAIT_S = 2.0  # resolvers ask again after five seconds
WAITING_MOST = 128  # half of the queries that are answered at once: who asks for what takes long holds up nobody else


class EndpointsWaiter:
    """Subscribes to endpoints and waits for them; `notify` is called when the table has changed."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._changed = trio.Event()
        self._waiting = 0

    def notify(self) -> None:
        """The table is another."""
        self._changed.set()
        self._changed = trio.Event()

    def want(self, key: str) -> bool:
        """Ask for the endpoints of this service if it is unsubscribed; whether it is."""
        if not self._is_unsubscribed(key):
            return False
        self._live.subscriptions.want(key)
        return True

    async def until_subscribed(self, key: str) -> None:
        """Wait until the service is not unsubscribed, at most WAIT_S; not at all when too many wait already."""
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
