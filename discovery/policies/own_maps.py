"""The policy maps of one namespace. Only those in force are parsed.

A user of a namespace may create thousands of maps, and parsing one costs every node a tenth of a second.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence

from discovery.kubernetes.config_maps import ConfigMap
from discovery.kubernetes.objects import Ref
from discovery.policies.table import PolicyTables
from discovery.problem import Origin

MAPS_PER_NAMESPACE = 16
MAPS_NAMED = 32  # including those not in force: each is an event, and a metric of every node


class OwnMaps:
    """The maps by name. `make` returns the empty tables of a new map."""

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
    def in_force(self) -> Sequence[Ref]:
        """The maps in force: the first ones by name."""
        return self._order[:MAPS_PER_NAMESPACE]

    @property
    def reported(self) -> Sequence[Ref]:
        """The maps reported in events and metrics."""
        return self._order[:MAPS_NAMED]

    def put(self, ref: Ref, found: ConfigMap, origin: Origin) -> set[str]:
        """Stores a new or changed map; returns the scopes whose tables may have changed."""
        before = self.in_force
        if ref not in self._tables:
            insort(self._order, ref)
            self._tables[ref] = self._make(ref)
        self._tables[ref].saw(found, origin)
        self._unread[ref] = found, origin
        return self._settle(before)

    def drop(self, ref: Ref) -> set[str]:
        """Removes a map; returns the scopes whose tables may have changed."""
        if ref not in self._tables:
            return set()
        before = self.in_force
        del self._order[bisect_left(self._order, ref)]
        self._unread.pop(ref, None)
        return self._tables.pop(ref).apply(None) | self._settle(before)

    def _settle(self, before: Sequence[Ref]) -> set[str]:
        """Parses the maps newly in force; returns their scopes and those of maps no longer in force."""
        counting, changed = self.in_force, set[str]()
        for ref in self._unread.keys() & set(counting):
            changed |= self._tables[ref].apply(*self._unread.pop(ref))
        for ref in set(before).symmetric_difference(counting) & self._tables.keys():
            changed |= self._tables[ref].keys.keys()
        return changed
