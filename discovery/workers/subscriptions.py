"""The subscriptions of connected workers and, for a short time, of disconnected ones."""

from collections.abc import Callable

from nodeproxy.mesh.wire import Subscribe, SubscriptionChange

LINGER_S = 15.0  # the subscriptions of a crashed worker stay until its successor has connected


class Subscriptions:
    """Sets of keys, `<namespace>/<name>`, by worker. `changed` is called with the union when it changes."""

    def __init__(self, changed: Callable[[frozenset[str]], None], now: Callable[[], float]) -> None:
        self._changed = changed
        self._now = now
        self._wanted: dict[object, set[str]] = {}
        self._until: dict[object, float] = {}
        self._reported: frozenset[str] = frozenset()

    def note(self, worker: object, subscription: SubscriptionChange) -> None:
        """Applies a subscription change of `worker`."""
        wanted = self._wanted.setdefault(worker, set())
        if isinstance(subscription, Subscribe):
            wanted.add(subscription.key)
        else:
            wanted.discard(subscription.key)
        self._report()

    def gone(self, worker: object) -> None:
        """Notes that `worker` has disconnected; its subscriptions linger."""
        if worker in self._wanted:
            self._until[worker] = self._now() + LINGER_S

    def expire(self) -> None:
        """Removes the subscriptions of workers disconnected for `LINGER_S`. To be called periodically."""
        for worker in [worker for worker, until in self._until.items() if self._now() >= until]:
            del self._until[worker], self._wanted[worker]
            self._report()

    def _report(self) -> None:
        union = frozenset[str]().union(*self._wanted.values())
        if union != self._reported:
            self._reported = union
            self._changed(union)
