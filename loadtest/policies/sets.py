"""Which policy tables are measured: those of sets.yaml, and every other policy of the registry with its example.

Knows no policy: what the registry lacks, or what it refuses, is left out and reported with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from discovery.kubernetes.documents import yaml_documents
from discovery.policies.table import table_of
from loadtest.policies.routing import RULES, rules
from loadtest.record import Missing
from nodeproxy.cli.reference.examples import example
from nodeproxy.policies.chain import CHAIN
from nodeproxy.policies.table import PolicyRefused, settings_of

PLAIN, EIGHT = "plain", "eight"
FILE = Path(__file__).with_name("sets.yaml")

EXAMPLE_KEYS = ("web", "web.shop")  # in a policy map of the namespace shop, and in the mesh-wide one

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PolicySet:
    """A policy table to measure, and the name of the set that its cost is compared with."""

    name: str
    title: str
    policies: Table
    against: str = PLAIN


def policy_sets(text: str | None = None) -> tuple[tuple[PolicySet, ...], tuple[Missing, ...]]:
    """What can be measured with the policies of this version, and what is missing for which reason."""
    written = yaml.safe_load(FILE.read_text() if text is None else text)
    sets = [PolicySet(name, each.pop("title", name), each.pop("policies"), **each) for name, each in written.items()]
    sets += [PolicySet(name, f"routes ({count} rules)", rules(count)) for name, count in RULES.items()]
    named = {each.name for each in sets}
    sets += [from_example(policy.name) for policy in CHAIN if policy.name not in named]
    found, missing = [], []
    for each in sets:
        table, lacking = usable(each)
        missing += lacking
        if table or not each.policies:
            found.append(replace(each, policies=table))
    return tuple(found), tuple(missing)


def example_table(policy: str) -> Table:
    """The policy table of the example, which is for the service `web` in the namespace `shop`; empty without one."""
    maps = [each.value for each in yaml_documents(example(policy).encode())]
    texts = [text for each in maps for key, text in each.get("data", {}).items() if key in EXAMPLE_KEYS]
    return table_of(texts[0], lambda _table: None) if texts else {}


def from_example(name: str) -> PolicySet:
    """A policy with the settings of its example, enforced: none without an example."""
    settings = example_table(name).get(name) or {}
    if isinstance(settings, list):  # the short form, which has no mode
        return PolicySet(name, f"{name} (its example)", {name: settings})
    return PolicySet(name, f"{name} (its example)", {name: {**settings, "mode": "enforce"}})


def usable(each: PolicySet) -> tuple[Table, tuple[Missing, ...]]:
    """The part of a set's table that this version accepts; all but `eight` are accepted whole or not at all."""
    table, missing = {}, []
    for name, settings in each.policies.items():
        try:
            settings_of({name: settings})
            table[name] = settings
        except PolicyRefused as refused:
            missing.append(Missing(each.name, reason(refused)))
    return (table if each.name == EIGHT or not missing else {}), tuple(missing)


def reason(refused: PolicyRefused) -> str:
    """The problems of a table, without the list of the policies that there are."""
    return "; ".join(problem.partition("; there are")[0] for problem in refused.problems)
