"""The policy maps of one namespace: which of them count, and only those are read.

Whoever may write to a namespace may make thousands of maps, and reading one costs every node a tenth of a second.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence

from discovery.kubernetes.objects import ConfigMap, Ref
from discovery.policies.table import PolicyTables
from discovery.problem import Origin

MAPS_PER_NAMESPACE = 16
MAPS_NAMED = 32  # those that do not count included: each is an event, and a metric of every node


class OwnMaps:
    """The maps by name. `make` gives the tables of one of which nothing has been read yet."""

    def __init__(self, make: Callable[[Ref], PolicyTables]) -> None:
        self._make = make
        self._order: list[Ref] = []
        self._tables: dict[Ref, PolicyTables] = {}
        self._unread: dict[Ref, tuple[ConfigMap, Origin]] = {}

    def __bool__(self) -> bool:
        return bool(self._order)

    def __getitem__(self, ref: Ref) -> PolicyTables:
        return self._tables[ref]

    @property
    def counting(self) -> Sequence[Ref]:
        """Those that count: the first ones by name."""
        return self._order[:MAPS_PER_NAMESPACE]

    @property
    def told(self) -> Sequence[Ref]:
        """Those that anybody is told of."""
        return self._order[:MAPS_NAMED]

    def put(self, ref: Ref, found: ConfigMap, origin: Origin) -> set[str]:
        """Take a map that is new or changed; gives the scopes whose tables may be others now."""
        before = self.counting
        if ref not in self._tables:
            insort(self._order, ref)
            self._tables[ref] = self._make(ref)
        self._tables[ref].saw(found, origin)
        self._unread[ref] = found, origin
        return self._settle(before)

    def drop(self, ref: Ref) -> set[str]:
        """Take that there is no such map; gives the scopes whose tables may be others now."""
        if ref not in self._tables:
            return set()
        before = self.counting
        del self._order[bisect_left(self._order, ref)]
        self._unread.pop(ref, None)
        return self._tables.pop(ref).apply(None) | self._settle(before)

    def _settle(self, before: Sequence[Ref]) -> set[str]:
        """Read what counts and has not been read; gives the scopes of that, and of what counts no more."""
        counting, changed = self.counting, set[str]()
        for ref in self._unread.keys() & set(counting):
            changed |= self._tables[ref].apply(*self._unread.pop(ref))
        for ref in set(before).symmetric_difference(counting) & self._tables.keys():
            changed |= self._tables[ref].keys.keys()
        return changed
