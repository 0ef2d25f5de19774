"""Faults are told in YAML's words, with the units in which the table is written, and never in Python's."""

import datetime

import pytest

from nodeproxy.policies.chain import CHAIN
from nodeproxy.policies.table import PolicyRefused, settings_of
from nodeproxy.policies.validation_words import PATTERNS, QUOTED_MOST, quoted


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        ((), "[]"),
        ([], "[]"),
        ({}, "{}"),
        (("a",), "['a']"),
        ({"a": [False, {"b": (None, 1)}]}, "{'a': [false, {'b': [null, 1]}]}"),
        ({80: 1.5}, "{80: 1.5}"),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        ({"server": "redis://me:secret@limits/0"}, "{'server': 'redis://***@limits/0'}"),
    ],
)
def test_a_value_is_quoted_as_yaml_has_it(value, text):
    assert quoted(value) == text


@pytest.mark.parametrize("value", ["x" * 10_000, list(range(10_000)), {str(each): [()] * 300 for each in range(300)}])
def test_a_long_value_is_cut_off_where_it_can_still_be_found(value):
    assert len(quoted(value)) == QUOTED_MOST + 1
    assert quoted(value)[-1] == "…"


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"healthCheck": {"interval": "1ms"}}, "healthCheck.interval: expected at least 100ms, got '1ms'"),
        ({"maxResponseHeaders": {"limit": "1Mi"}}, "maxResponseHeaders.limit: expected at most 64Ki, got '1Mi'"),
        ({"retries": {"attempts": 11}}, "retries.attempts: expected at most 10, got 11"),
        (
            {"mirrors": {"targets": [{"service": "a"}], "maxBody": "1Gi"}},
            "mirrors.maxBody: expected at most 1Mi, got '1Gi'",
        ),
        ({"split": [{"service": "a", "weight": 0.5}]}, "split[0].weight: expected a valid integer, got 0.5"),
    ],
)
def test_a_bound_has_the_unit_of_its_field(table, told):
    with pytest.raises(PolicyRefused) as refused:
        settings_of(table)

    assert refused.value.problems == (told,)


def test_every_pattern_of_a_built_in_policy_is_put_in_words():
    patterns = {each for policy in CHAIN for each in _patterns(policy.settings.model_json_schema())}

    assert patterns == PATTERNS.keys()


def _patterns(schema):
    if isinstance(schema, list):
        return {found for each in schema for found in _patterns(each)}
    if not isinstance(schema, dict):
        return set()
    own = {schema["pattern"]} if isinstance(schema.get("pattern"), str) else set()
    keys = set(schema.get("patternProperties", ()))
    return own | keys | {found for each in schema.values() for found in _patterns(each)}
