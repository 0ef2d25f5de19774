"""The label sets that a policy table asks for: subsets of a service's endpoints, by the labels of their pods. Pure.

Reads a table's settings, so that every policy with a `Destination` counts, policies of single rules of `routes` too.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from discovery.policies.table import Table
from nodeproxy.mesh.selectors import selector_text
from nodeproxy.policies.destinations import destinations
from nodeproxy.policies.merge import merged
from nodeproxy.policies.routes import RoutesSettings
from nodeproxy.policies.table import PolicyRefused, settings_of

TABLES_MOST = 1024  # remembered, each with what it asks for; as nodeproxy.policies.table.SHARED_MOST


class LabelSet(NamedTuple):
    """Labels of pods of one service, `selector` as `mesh.selectors.selector_text` writes them."""

    service: str
    """The key of the service whose pods they are."""
    selector: str


class _Labelled(NamedTuple):
    """A destination with labels, as a table has it."""

    namespace: str | None
    service: str | None
    selector: str


SettingsOf = Callable[[Table], Mapping[str, object]]
NONE: frozenset[LabelSet] = frozenset()


class LabelSets:
    """What tables ask for; a table that many services share is read once.

    `settings` validates a table; it raises PolicyRefused.
    """

    def __init__(self, settings: SettingsOf = settings_of) -> None:
        self._settings_of = settings
        self._read: dict[int, tuple[Table, tuple[_Labelled, ...]]] = {}
        """By `id`, with the table itself, so that no other one has that `id`."""

    def of(self, table: Table, service_key: str) -> frozenset[LabelSet]:
        """The label sets that `table`, which is valid, asks for where it is in force for this service."""
        known = self._read.get(id(table))
        if known is None:
            if len(self._read) >= TABLES_MOST:
                self._read.clear()
            known = self._read[id(table)] = table, self._with_labels(table)
        if not known[1]:
            return NONE
        namespace, _, name = service_key.partition("/")
        return frozenset(
            LabelSet(f"{each.namespace or namespace}/{each.service or name}", each.selector) for each in known[1]
        )

    def _with_labels(self, table: Table) -> tuple[_Labelled, ...]:
        if not _mentions_labels(table):  # nearly every table; validation costs a hundred times as much
            return ()
        return tuple(
            _Labelled(each.namespace, each.service, selector_text(each.labels))
            for each in destinations(tuple(self._settings(table)))
            if each.labels
        )

    def _settings(self, table: Table) -> Iterator[Mapping[str, object]]:
        settings = self._valid(table)
        yield settings
        routes = settings.get("routes")
        for rule in routes.rules if isinstance(routes, RoutesSettings) else ():
            if _mentions_labels(rule.policies):
                others = {name: value for name, value in table.items() if name in rule.policies}
                yield self._valid(merged(others, rule.policies))

    def _valid(self, table: Table) -> Mapping[str, object]:
        try:
            return self._settings_of(table)
        except PolicyRefused:  # of a single rule; validation reports it
            return {}


def _mentions_labels(value: Any) -> bool:  # noqa: ANN401  the YAML edge
    if isinstance(value, Mapping):
        return bool(value.get("labels")) or any(map(_mentions_labels, value.values()))
    return isinstance(value, list | tuple) and any(map(_mentions_labels, value))
