"""The policy tables of one ConfigMap: parses its texts to tables, and validates each on its own.

Each key of the ConfigMap is a table; `key` has its scope. A refused table leaves its last good version in force and
does not affect other tables. Does not decide which tables a service gets: `layers` does.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from discovery.kubernetes.config_maps import ConfigMap
from discovery.kubernetes.documents import NotDocuments, lines_of, yaml_documents
from discovery.kubernetes.objects import Ref
from discovery.problem import NOWHERE, Origin, Path, Problem, bounded, shown
from nodeproxy.policies.table import PolicyRefused, settings_of

Table = dict[str, Any]
Validate = Callable[[Table], object]
"""Raises PolicyRefused for an invalid table."""
ScopeOf = Callable[[str], str]
"""The scope of a key of the ConfigMap; raises PolicyRefused for an invalid key."""

PROBLEMS_PER_TABLE = 20  # further ones are not read
NODES_PER_TABLE = 50_000  # YAML values: 1,000 rules of routes, each with some dozens of them


class NotATable(PolicyRefused):
    """A text that is no YAML; `line` is that of the fault, None if it is unknown."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__((message,))
        self.line = line or None


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
        self.origin = NOWHERE
        self.texts: dict[str, str] = {}
        """By scope: the texts of the tables in force."""

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
        self.origin = origin
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
                lines = [refused.line] if isinstance(refused, NotATable) else lines_in(text, refused.places)
                problems += self.refusals(key, refused.problems, lines)
        for scope in keys.keys() & self.in_force.keys() - tables.keys():
            tables[scope], texts[scope] = self.in_force[scope], self.texts[scope]
        keys_before, self.keys, self.texts = self.keys, keys, texts
        before, self.in_force, self.problems = self.in_force, tables, tuple(problems)
        changed = {scope for scope in before.keys() | tables.keys() if before.get(scope) != tables.get(scope)}
        return changed | {scope for scope, _ in keys_before.items() ^ keys.items()}

    def _table(self, scope: str, text: str) -> Table:
        """The table in `text`; an unchanged one of a map is not parsed again."""
        return self.in_force[scope] if self.texts.get(scope) == text else table_of(text, self._validate)

    def refusals(self, key: str, messages: tuple[str, ...], lines: Sequence[int | None] = ()) -> list[Problem]:
        """These messages as problems of the table under `key`, or of the whole ConfigMap if `key` is "".

        `lines` are those of the messages within the text of the table.
        """
        path, shared = ("data", key) if key else ("data",), (self.origin, self._subject)
        found = zip_longest(messages[:PROBLEMS_PER_TABLE], lines[:PROBLEMS_PER_TABLE])
        return [Problem(bounded(text), *shared, path, text_line=line) for text, line in found if text]

    def text_of(self, scope: str) -> str:
        """The text of the table in force for a scope, "" where there is none."""
        return self.texts.get(scope, "")

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

    def warning(self, key: str, message: str, line: int | None = None) -> Problem:
        """This message as a warning of the table under `key`."""
        path = ("data", key)
        return Problem(bounded(message), self.origin, self._subject, path, severity="warning", text_line=line)


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
        raise NotATable(str(error), error.line) from error
    table = documents[0].value if documents else {}
    if len(documents) > 1 or not isinstance(table, dict):
        raise PolicyRefused((f"expected one mapping from policies to their settings, got {shown(table)}",))
    validate(table)
    return table


def lines_in(text: str, places: Sequence[Path]) -> list[int | None]:
    """The line of each place of a table in its text, from 1: that of the deepest part of it that is written there.

    Reads the text once more, which only a problem or a reader asks for. None where the text is not YAML.
    """
    wanted = {(1, place[:end]) for place in places for end in range(1, len(place) + 1)}
    if not wanted:
        return [None] * len(places)
    try:
        lines = lines_of(text.encode(errors="replace"), wanted)
    except NotDocuments:
        return [None] * len(places)
    return [
        next((lines[1, place[:end]] for end in range(len(place), 0, -1) if (1, place[:end]) in lines), None)
        for place in places
    ]
