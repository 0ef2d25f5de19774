"""Which services' endpoints a worker needs: those that were called lately. Who tells discovery is elsewhere."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from nodeproxy.mesh.wire import Subscribe, SubscriptionChange, Unsubscribe

FORGET_S = 600.0  # a service called every few minutes keeps its endpoints; one called once a night does not


class Usage(NamedTuple):
    """What a service has done so far."""

    requests: int
    active: int


class Use(NamedTuple):
    """A need: since when, and when it was last seen in use, monotonic seconds."""

    since: float
    seen: float
    requests: int


class Subscriptions:
    """Keys of services, `<namespace>/<name>`, that this worker needs; and what discovery has not been told of it."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.stir: Callable[[], None] = _nothing
        """Called when there is something to tell."""
        self._now = now
        self._uses: dict[str, Use] = {}
        self._subscriptions: dict[str, SubscriptionChange] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._uses

    def __iter__(self) -> Iterator[tuple[str, Use]]:
        return iter(self._uses.items())

    def want(self, key: str) -> None:
        """From now on this service is needed, until it has not been used for long."""
        if key not in self._uses:
            now = self._now()
            self._uses[key] = Use(now, now, 0)
            self._subscriptions[key] = Subscribe(key)
            self.stir()

    def review(self, usage_of: Callable[[str], Usage | None]) -> None:
        """Unsubscribe what has not been used for FORGET_S, and what is no service any more (`usage_of` gives None)."""
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
        """Who listens now knows nothing: everything has to be told."""
        self._subscriptions = {key: Subscribe(key) for key in self._uses}
        self.stir()

    def taken(self) -> list[SubscriptionChange]:
        """What is to be told; it is given once."""
        subscriptions, self._subscriptions = self._subscriptions, {}
        return list(subscriptions.values())


def _nothing() -> None:
    """Nobody is to be told."""
