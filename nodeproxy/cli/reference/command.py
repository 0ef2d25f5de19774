"""`nodeproxy policies`: finds what was asked for, and gives it the asked form."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import msgspec
from rich.console import Console

from nodeproxy.cli.reference import text
from nodeproxy.cli.reference.examples import example
from nodeproxy.cli.reference.fields import Described, Field, described
from nodeproxy.cli.reference.page import index, page
from nodeproxy.cli.reference.schema import field_schema, policy_schema, table_schema
from nodeproxy.policies.registry import BUILT_IN, Registry


class NoSuchPlace(LookupError):
    """There is no such policy or field; the text has those that there are."""


def json_schema(name: str, registry: Registry = BUILT_IN) -> str:
    """The JSON schema of the whole policy table (""), of a policy or of a field, e.g. `retries.backoff`.

    Raises:
        NoSuchPlace: see `find`.
    """
    if not name:
        return _json(table_schema(registry.chain))
    found = find(described(registry.chain), name)
    policy = registry.by_name[name.partition(".")[0]]
    if isinstance(found, Described):
        return _json(policy_schema(policy))
    return _json(field_schema(policy, found.path, found.schema))


def markdown(name: str, registry: Registry = BUILT_IN) -> str:
    """The page of a policy, or the table of all policies ("").

    Raises:
        NoSuchPlace: see `find`; a field has no page.
    """
    policies = described(registry.chain)
    if not name:
        return f"{index(policies)}\n"
    found = find(policies, name)
    if isinstance(found, Field):
        raise NoSuchPlace(f"{name} is a field; only a policy has a page: {name.partition('.')[0]}")
    return page(found, example(found.name))


def show(name: str, console: Console, registry: Registry = BUILT_IN) -> None:
    """Print all policies (""), a policy or a field.

    Raises:
        NoSuchPlace: see `find`.
    """
    policies = described(registry.chain)
    if not name:
        console.print(text.all_policies(policies))
        return
    found = find(policies, name)
    console.print(text.one_field(found) if isinstance(found, Field) else text.one_policy(found, example(found.name)))


def find(policies: Sequence[Described], name: str) -> Described | Field:
    """The policy or field of this name, e.g. `retries` or `retries.backoff.base`.

    Raises:
        NoSuchPlace: there is none.
    """
    first, *rest = name.split(".")
    known = {each.name: each for each in policies}
    if first not in known:
        raise NoSuchPlace(f"{first}: no such policy{_instead(first, list(known))}")
    found: Described | Field = known[first]
    for step in rest:
        fields = {each.name: each for each in (found.fields if isinstance(found, Described) else found.parts)}
        if step not in fields:
            place = found.name if isinstance(found, Described) else found.path
            raise NoSuchPlace(f"{place}.{step}: no such field{_instead(step, list(fields))}")
        found = fields[step]
    return found


def _instead(name: str, known: list[str]) -> str:
    if not known:
        return ""
    close = get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(sorted(known))}"


def _json(schema: dict[str, Any]) -> str:
    return f"{msgspec.json.format(msgspec.json.encode(schema), indent=2).decode()}\n"
