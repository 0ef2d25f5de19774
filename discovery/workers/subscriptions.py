"""Which services' endpoints are wanted: by the workers that are connected, and for a moment by one that has gone."""

from collections.abc import Callable

from nodeproxy.mesh.wire import Subscribe, SubscriptionChange

LINGER_S = 15.0  # what a worker wanted that died stays known for the next one, which takes it over


class Wants:
    """Sets of keys, `<namespace>/<name>`, by who wants them. `changed` is told the union whenever it is another."""

    def __init__(self, changed: Callable[[frozenset[str]], None], now: Callable[[], float]) -> None:
        self._changed = changed
        self._now = now
        self._wanted: dict[object, set[str]] = {}
        self._until: dict[object, float] = {}
        self._reported: frozenset[str] = frozenset()

    def note(self, who: object, subscription: SubscriptionChange) -> None:
        """`who` says what it needs, or does not need any more."""
        wanted = self._wanted.setdefault(who, set())
        if isinstance(subscription, Subscribe):
            wanted.add(subscription.key)
        else:
            wanted.discard(subscription.key)
        self._report()

    def gone(self, who: object) -> None:
        """`who` has gone; what it wanted lingers."""
        if who in self._wanted:
            self._until[who] = self._now() + LINGER_S

    def expire(self) -> None:
        """Forget those who have been gone for long. To be called now and then."""
        for who in [who for who, until in self._until.items() if self._now() >= until]:
            del self._until[who], self._wanted[who]
            self._report()

    def _report(self) -> None:
        union = frozenset[str]().union(*self._wanted.values())
        if union != self._reported:
            self._reported = union
            self._changed(union)
