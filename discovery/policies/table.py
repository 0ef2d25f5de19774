"""The policy tables of one ConfigMap: from its texts to tables that are valid, each on its own.

Each key of the ConfigMap is a table; `policy_key` says what the table is for. A table that cannot be in force leaves
its last good version there and harms no other. Does not decide which tables a service gets: that is `policy_layers`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from discovery.kubernetes.documents import NotDocuments, yaml_documents
from discovery.kubernetes.objects import ConfigMap, Ref
from discovery.problem import NOWHERE, Origin, Problem, bounded, shown
from nodeproxy.policies.table import PolicyRefused, settings_of

Table = dict[str, Any]
Validate = Callable[[Table], object]
"""Raises PolicyRefused for a table that cannot be in force."""
ScopeOf = Callable[[str], str]
"""The scope that a key of the ConfigMap means; raises PolicyRefused for a key that means none."""

PROBLEMS_PER_TABLE = 20  # more are not read, and the first are cured first
NODES_PER_TABLE = 2000  # YAML values; all policies with all their fields are some dozens


class Bounds(NamedTuple):
    """How large a ConfigMap may be. Beyond it nothing of it is read, and all that it said before stays in force."""

    tables: int
    characters: int


class PolicyTables:
    """The tables of one ConfigMap that may be in force, by scope, and the key that each stands under."""

    def __init__(
        self, policy_map: Ref, scope_of: ScopeOf, validate: Validate = settings_of, bounds: Bounds | None = None
    ) -> None:
        self.in_force: dict[str, Table] = {}
        self.keys: dict[str, str] = {}
        """By scope, also of those whose table has never been valid."""
        self.problems: tuple[Problem, ...] = ()
        self.version: tuple[str, str] = ("", "")
        """uid and resourceVersion of the ConfigMap, "" where there are none."""
        self._subject = str(policy_map)
        self._scope_of = scope_of
        self._validate = validate
        self._bounds = bounds
        self._origin = NOWHERE
        self._texts: dict[str, str] = {}

    def apply(self, config_map: ConfigMap | None, origin: Origin = NOWHERE) -> set[str]:
        """Take the ConfigMap as it is now, None when it is gone; gives the scopes whose key or table has changed."""
        self.saw(config_map, origin)
        data = (config_map.data if config_map else None) or {}
        if self._bounds is not None and not _within(data, self._bounds):
            bounds = f"{self._bounds.tables} tables and {self._bounds.characters} characters"
            self.problems = tuple(self.refusals("", (f"is larger than {bounds}; make two ConfigMaps of it",)))
            return set()
        return self._read(data)

    def saw(self, config_map: ConfigMap | None, origin: Origin) -> None:
        """Know which version there is, whatever it says."""
        self._origin = origin
        metadata = config_map.metadata if config_map else None
        self.version = ((metadata.uid or ""), (metadata.resource_version or "")) if metadata else ("", "")

    def _read(self, data: Mapping[str, str]) -> set[str]:
        keys: dict[str, str] = {}
        texts: dict[str, str] = {}
        tables: dict[str, Table] = {}
        problems: list[Problem] = []
        for key, text in sorted(data.items()):  # of two keys for one scope the first counts, on every node
            try:
                scope = self._scope_of(key)
                if scope in keys:
                    raise PolicyRefused((f"means the same as the key {keys[scope]}, which counts; remove one",))
                keys[scope] = key
                tables[scope] = self._table(scope, text)
                texts[scope] = text
            except PolicyRefused as refused:
                problems += self.refusals(key, refused.problems)
        for scope in keys.keys() & self.in_force.keys() - tables.keys():
            tables[scope] = self.in_force[scope]
        keys_before, self.keys, self._texts = self.keys, keys, texts
        before, self.in_force, self.problems = self.in_force, tables, tuple(problems)
        changed = {scope for scope in before.keys() | tables.keys() if before.get(scope) != tables.get(scope)}
        return changed | {scope for scope, _ in keys_before.items() ^ keys.items()}

    def _table(self, scope: str, text: str) -> Table:
        """The table that `text` is; of hundreds in a map, one change reads one."""
        return self.in_force[scope] if self._texts.get(scope) == text else table_of(text, self._validate)

    def refusals(self, key: str, messages: tuple[str, ...]) -> list[Problem]:
        """These messages as problems of the table under `key`, of the whole ConfigMap when it is ""."""
        path = ("data", key) if key else ("data",)
        return [Problem(bounded(text), self._origin, self._subject, path) for text in messages[:PROBLEMS_PER_TABLE]]

    def useless(self, scope: str) -> Problem:
        """A warning that the table of this scope is in force for nobody."""
        message = "there is no such service or namespace in the mesh; the table has no effect"
        return Problem(message, self._origin, self._subject, ("data", self.keys[scope]), severity="warning")


def _within(data: Mapping[str, str], bounds: Bounds) -> bool:
    return len(data) <= bounds.tables and sum(map(len, data.values())) <= bounds.characters


def table_of(text: str, validate: Validate = settings_of) -> Table:
    """The table that `text` is, valid on its own.

    Raises:
        PolicyRefused: no YAML mapping, or policies that do not exist so.
    """
    try:
        documents = yaml_documents(text.encode(errors="replace"), NODES_PER_TABLE)
    except NotDocuments as error:
        line = f", in line {error.line} of its text" if error.line else ""
        raise PolicyRefused((f"{error}{line}",)) from error
    table = documents[0].value if documents else {}
    if len(documents) > 1 or not isinstance(table, dict):
        raise PolicyRefused((f"expected one mapping from policies to their settings, got {shown(table)}",))
    validate(table)
    return table


def merged(wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> Table:
    """`wide` with everything that `narrow` says put over it, however deep; null says nothing."""
    result = dict(wide)
    for key, value in narrow.items():
        if isinstance(value, Mapping):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, Mapping) else {}, value)
        elif value is not None:
            result[key] = value
    return result
