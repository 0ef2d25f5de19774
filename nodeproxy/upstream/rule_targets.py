"""Where the requests of a rule of `routes` go, where more than the turn of its targets decides."""

from collections.abc import Callable

from nodeproxy.balance.hash_key import HashKey
from nodeproxy.balance.keyed_weights import KeyedWeights
from nodeproxy.errors import NoEndpoints, ProtocolMismatch
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.policies.canary import Pace
from nodeproxy.policies.targets import Resolved
from nodeproxy.upstream.clusters import Clusters
from nodeproxy.upstream.split import Split, Targets, found
from nodeproxy.upstream.subset import Group


class Always:
    """One cluster for all."""

    __slots__ = ("_group",)

    def __init__(self, group: Group) -> None:
        self._group = group

    def next(self, _exchange: Exchange) -> Group:
        """See Targets."""
        return self._group


class StickySplit:
    """A split that sends requests with the same key to the same target; those without a key go by their turn.

    A retry goes to the target of its key as well: that target has what the client has begun there.
    """

    __slots__ = ("_key", "_keyed", "_split")

    def __init__(self, split: Split, keyed: KeyedWeights, key: HashKey) -> None:
        self._split = split
        self._keyed = keyed
        self._key = key

    def next(self, exchange: Exchange) -> Group:
        """See Targets."""
        key = self._key(exchange)
        return self._split.next(exchange) if key is None else self._split.at(self._keyed.of(key), exchange)


class CanaryFirst:
    """Sends what the pace of a canary admits to it, and all else where it would go without.

    A canary breaks nothing that has worked: while it is not in the mesh, has no endpoint, or none that is known yet,
    all requests go where they would go without it. A try that has failed at the canary is not made there again, and no
    hedge is sent to it.
    """

    __slots__ = ("_clusters", "_decisions", "_others", "_pace", "_subscribe", "_target")

    def __init__(
        self, clusters: Clusters, subscribe: Callable[[str], None], target: Resolved, pace: Pace, others: Targets
    ) -> None:
        self._clusters = clusters
        self._subscribe = subscribe
        self._target = target
        self._pace = pace
        self._decisions: Decisions = pace.decisions
        self._others = others

    def next(self, exchange: Exchange) -> Group:
        """See Targets."""
        if exchange.tries or exchange.only_untried:
            return self._others.next(exchange)
        canary = self._available(exchange)
        if canary is None:
            self._decisions.count("canary-unavailable")
        elif self._pace.admits():
            self._decisions.count("to-canary")
            return canary
        return self._others.next(exchange)

    def _available(self, exchange: Exchange) -> Group | None:
        """The canary; None if it cannot take `exchange` now."""
        try:
            canary = found(self._clusters, self._target, "a canary", exchange)
        except (NoEndpoints, ProtocolMismatch):
            return None
        if not canary.known:
            self._subscribe(canary.service_key)
            return None
        return canary if canary.serves else None
