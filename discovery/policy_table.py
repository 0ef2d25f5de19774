"""The operator's policy tables: from the one ConfigMap to the policies of each service.

Each key of the ConfigMap is a table: `_default` for the whole mesh, `_default.<namespace>`, and
`<service>.<namespace>`. The narrower one wins, field by field, however deep the field lies; null says nothing.
A table that cannot be in force leaves its last good version there and harms no other.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from discovery.documents import NotDocuments, yaml_documents
from discovery.objects import ConfigMap, Ref
from discovery.problem import NOWHERE, Origin, Problem, bounded, shown
from nodeproxy.policies.table import PolicyRefused, settings_of

Table = dict[str, Any]
Validate = Callable[[Table], object]
"""Raises PolicyRefused for a table that cannot be in force."""

MESH_SCOPE = "_default"
PROBLEMS_PER_TABLE = 20  # more are not read, and the first are cured first

_LABEL = r"[a-z0-9][-a-z0-9]{0,62}"
_KEY = re.compile(rf"_default|_default\.{_LABEL}|{_LABEL}\.{_LABEL}", re.ASCII)


class PolicyTables:
    """The tables in force, by key."""

    def __init__(self, policy_map: Ref, validate: Validate = settings_of) -> None:
        self.in_force: dict[str, Table] = {}
        self.problems: tuple[Problem, ...] = ()
        self._subject = str(policy_map)
        self._validate = validate
        self._origin = NOWHERE

    def apply(self, config_map: ConfigMap | None, origin: Origin = NOWHERE) -> set[str]:
        """Take the ConfigMap as it is now, None when it is gone; gives the keys of the tables that have changed."""
        self._origin = origin
        data = (config_map.data if config_map else None) or {}
        tables: dict[str, Table] = {}
        problems: list[Problem] = []
        for key, text in data.items():
            try:
                tables[key] = table_of(key, text, self._validate)
            except PolicyRefused as refused:
                problems += self._problems(key, refused)
                if key in self.in_force:
                    tables[key] = self.in_force[key]
        before, self.in_force, self.problems = self.in_force, tables, tuple(problems)
        return {key for key in before.keys() | tables.keys() if before.get(key) != tables.get(key)}

    def policies_of(self, service_key: str, last_good: Table | None) -> tuple[Table, tuple[Problem, ...]]:
        """The policies of a service, merged and valid, and why not all that its tables say is in force.

        Tables that are valid each on its own may not be so together; then `last_good` stays, or when there is none
        the wider tables without the narrower one that spoils them.
        """
        policies: Table = {}
        problems: list[Problem] = []
        for key in scopes_of(service_key):
            table = self.in_force.get(key)
            if table is None:
                continue
            together = merged(policies, table)
            try:
                self._validate(together)
            except PolicyRefused as refused:
                wider = PolicyRefused(tuple(f"with the wider tables: {problem}" for problem in refused.problems))
                problems += self._problems(key, wider)
            else:
                policies = together
        return (last_good if problems and last_good is not None else policies), tuple(problems)

    def without_target(self, service_keys: Iterable[str]) -> list[Problem]:
        """A warning for each table that none of these services reads."""
        read = {scope for key in service_keys for scope in scopes_of(key)}
        message = "there is no such service or namespace in the mesh; the table has no effect"
        return [
            Problem(message, self._origin, self._subject, ("data", key), severity="warning")
            for key in self.in_force
            if key not in read and key != MESH_SCOPE
        ]

    def _problems(self, key: str, refused: PolicyRefused) -> list[Problem]:
        messages = (bounded(text) for text in refused.problems[:PROBLEMS_PER_TABLE])
        return [Problem(message, self._origin, self._subject, ("data", key)) for message in messages]


def scopes_of(service_key: str) -> tuple[str, str, str]:
    """The keys of the tables that a service reads, the widest first."""
    namespace, _, name = service_key.partition("/")
    return MESH_SCOPE, f"{MESH_SCOPE}.{namespace}", f"{name}.{namespace}"


def table_of(key: str, text: str, validate: Validate = settings_of) -> Table:
    """The table that stands under `key`, valid on its own.

    Raises:
        PolicyRefused: a key of another form, no YAML mapping, or policies that do not exist so.
    """
    if _KEY.fullmatch(key) is None:
        message = f"expected _default, _default.<namespace> or <service>.<namespace> as key, got {shown(key)}"
        raise PolicyRefused((message,))
    try:
        documents = yaml_documents(text.encode(errors="replace"))
    except NotDocuments as error:
        line = f", in line {error.line} of its text" if error.line else ""
        raise PolicyRefused((f"{error}{line}",)) from error
    table = documents[0].value if documents else {}
    if len(documents) > 1 or not isinstance(table, dict):
        raise PolicyRefused((f"expected one mapping from policies to their settings, got {shown(table)}",))
    validate(table)
    return table


def merged(wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> Table:
    """`wide` with everything that `narrow` says put over it."""
    result = dict(wide)
    for key, value in narrow.items():
        if isinstance(value, Mapping):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, Mapping) else {}, value)
        elif value is not None:
            result[key] = value
    return result
