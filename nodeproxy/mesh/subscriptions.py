"""Subscriptions: the services whose endpoints a worker needs, because they were called recently.

`control.subscriber` sends the changes to discovery.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from nodeproxy.mesh.wire import Subscribe, SubscriptionChange, Unsubscribe

FORGET_S = 600.0  # a service called every few minutes keeps its endpoints; one called once a night does not


class Usage(NamedTuple):
    """The requests of a service: all so far, and those under way."""

    requests: int
    active: int


class Use(NamedTuple):
    """The use of a subscribed service: since when, and when it was last seen in use, monotonic seconds."""

    since: float
    seen: float
    requests: int


class Subscriptions:
    """The services, by key `<namespace>/<name>`, that this worker subscribes to, and the changes not yet sent."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.stir: Callable[[], None] = _nothing
        """Called when there is a change to send."""
        self._now = now
        self._uses: dict[str, Use] = {}
        self._subscriptions: dict[str, SubscriptionChange] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._uses

    def __iter__(self) -> Iterator[tuple[str, Use]]:
        return iter(self._uses.items())

    def want(self, key: str) -> None:
        """Subscribe to this service until it has not been used for FORGET_S."""
        if key not in self._uses:
            now = self._now()
            self._uses[key] = Use(now, now, 0)
            self._subscriptions[key] = Subscribe(key)
            self.stir()

    def review(self, usage_of: Callable[[str], Usage | None]) -> None:
        """Unsubscribe from services not used for FORGET_S and from removed ones (`usage_of` returns None)."""
        now = self._now()
        for key, use in list(self._uses.items()):
            usage = usage_of(key)
            if usage is not None and (usage.active or usage.requests != use.requests):
                self._uses[key] = Use(use.since, now, usage.requests)
            elif usage is None or now - use.seen >= FORGET_S:
                del self._uses[key]
                self._subscriptions[key] = Unsubscribe(key)
                self.stir()

    def resubscribe(self) -> None:
        """Send all subscriptions again: discovery starts without any on a new connection."""
        self._subscriptions = {key: Subscribe(key) for key in self._uses}
        self.stir()

    def taken(self) -> list[SubscriptionChange]:
        """The changes to send; each is returned once."""
        subscriptions, self._subscriptions = self._subscriptions, {}
        return list(subscriptions.values())


def _nothing() -> None:
    """The default of `stir`: no subscriber to notify."""
