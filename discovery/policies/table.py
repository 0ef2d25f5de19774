"""The policy tables of one ConfigMap: parses its texts to tables, and validates each on its own.

Each key of the ConfigMap is a table; `key` has its scope. A refused table leaves its last good version in force and
does not affect other tables. Does not decide which tables a service gets: `layers` does.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from discovery.kubernetes.documents import NotDocuments, yaml_documents
from discovery.kubernetes.objects import ConfigMap, Ref
from discovery.problem import NOWHERE, Origin, Problem, bounded, shown
from nodeproxy.policies.table import PolicyRefused, settings_of

Table = dict[str, Any]
Validate = Callable[[Table], object]
"""Raises PolicyRefused for an invalid table."""
ScopeOf = Callable[[str], str]
"""The scope of a key of the ConfigMap; raises PolicyRefused for an invalid key."""

PROBLEMS_PER_TABLE = 20  # further ones are not read
NODES_PER_TABLE = 50_000  # YAML values: 1,000 rules of routes, each with some dozens of them


class Bounds(NamedTuple):
    """The size limits of a ConfigMap. A larger one is not read, and its last good tables stay in force."""

    tables: int
    characters: int


class PolicyTables:
    """The valid tables of one ConfigMap by scope, and the key of each."""

    def __init__(
        self, policy_map: Ref, scope_of: ScopeOf, validate: Validate = settings_of, bounds: Bounds | None = None
    ) -> None:
        self.in_force: dict[str, Table] = {}
        self.keys: dict[str, str] = {}
        """By scope, including those whose table has never been valid."""
        self.problems: tuple[Problem, ...] = ()
        self.version: tuple[str, str] = ("", "")
        """uid and resourceVersion of the ConfigMap, "" if there are none."""
        self._subject = str(policy_map)
        self._scope_of = scope_of
        self._validate = validate
        self._bounds = bounds
        self._origin = NOWHERE
        self._texts: dict[str, str] = {}

    def apply(self, config_map: ConfigMap | None, origin: Origin = NOWHERE) -> set[str]:
        """Applies the current ConfigMap, None if deleted; returns the scopes whose key or table changed."""
        self.saw(config_map, origin)
        data = (config_map.data if config_map else None) or {}
        if self._bounds is not None and not _within(data, self._bounds):
            bounds = f"{self._bounds.tables} tables and {self._bounds.characters} characters"
            self.problems = tuple(self.refusals("", (f"is larger than {bounds}; make two ConfigMaps of it",)))
            return set()
        return self._read(data)

    def saw(self, config_map: ConfigMap | None, origin: Origin) -> None:
        """Stores the version of the ConfigMap."""
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
        """The table in `text`; an unchanged one of a map is not parsed again."""
        return self.in_force[scope] if self._texts.get(scope) == text else table_of(text, self._validate)

    def refusals(self, key: str, messages: tuple[str, ...]) -> list[Problem]:
        """These messages as problems of the table under `key`, or of the whole ConfigMap if `key` is ""."""
        path = ("data", key) if key else ("data",)
        return [Problem(bounded(text), self._origin, self._subject, path) for text in messages[:PROBLEMS_PER_TABLE]]

    def scope_of(self, key: str) -> str | None:
        """The scope of a key, None for an invalid one."""
        try:
            return self._scope_of(key)
        except PolicyRefused:
            return None

    def useless(self, scope: str) -> Problem:
        """A warning that the table of this scope applies to no service."""
        return self.warning(
            self.keys[scope], "there is no such service or namespace in the mesh; the table has no effect"
        )

    def warning(self, key: str, message: str) -> Problem:
        """This message as a warning of the table under `key`."""
        return Problem(bounded(message), self._origin, self._subject, ("data", key), severity="warning")


def _within(data: Mapping[str, str], bounds: Bounds) -> bool:
    return len(data) <= bounds.tables and sum(map(len, data.values())) <= bounds.characters


def table_of(text: str, validate: Validate = settings_of) -> Table:
    """The table in `text`, validated on its own.

    Raises:
        PolicyRefused: not a YAML mapping, or invalid policies.
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
