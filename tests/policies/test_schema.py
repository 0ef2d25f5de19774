"""The published JSON schema accepts what the code accepts, and refuses what it can say is wrong."""

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis.strategies import composite, integers, just, sampled_from
from pydantic import ValidationError
from typer.testing import CliRunner

from discovery.kubernetes.documents import yaml_documents
from discovery.policies.table import table_of
from nodeproxy.cli.commands import app
from nodeproxy.cli.reference.schema import table_schema
from nodeproxy.policies.chain import CHAIN
from nodeproxy.policies.table import PolicyRefused, settings_of

EXAMPLES = Path(__file__).parents[2] / "docs" / "policies" / "examples"
SCHEMA = jsonschema.Draft202012Validator(table_schema(CHAIN))
SETTINGS = {policy.name: policy.settings for policy in CHAIN}
INEXPRESSIBLE = {"value_error", "greater_than", "greater_than_equal", "less_than", "less_than_equal", "string_type"}
"""Errors of validators, bounds of durations and sizes, keys that are no text: what the schema cannot say."""
ROUTES = """\
routes:
- name: one
  match: {path: {prefix: /a}, method: GET, caller: {namespace: shop, workload: web}}
  split: [{service: v1, weight: 9}, {service: v2, port: 80, labels: {version: v2}}]
  sticky: {cookie: user}
  rewrite: {path: {prefix: /b}, host: other}
  headers: {request: {set: {x-a: b}, remove: [x-c]}, response: {add: {x-d: e}}}
  policies: {timeouts: {request: 1s}, retries: {attempts: 0}}
- match: [{path: {regex: "/x.*"}}, {headers: [{name: a, exact: b}], queryParams: [{name: c, present: true}]}]
  redirect: {scheme: https, status: 308}
- match: {method: [GET, HEAD], cookies: [{name: d, prefix: e}], caller: [{namespace: bank}]}
  canary: {service: v3, requestsPerSecond: 1.5}
- directResponse: {status: 404}
"""
MORE = [
    ROUTES,
    "",
    "retries:\n",
    "split: [{service: a}]",
    "split: {targets: [{service: a}], mode: shadow}",
    "maxRequestBody: {limit: 64Ki}",
    "maxRequestBody: {limit: 65536}",
    "timeouts: {request: 0, idle: 1m30s}",
    "healthCheck: {grpc: {}}",
]
TABLES = [
    table_of(text)
    for each in sorted(EXAMPLES.glob("*.yaml"))
    for document in yaml_documents(each.read_bytes())
    for text in document.value["data"].values()
] + [table_of(text) for text in MORE]
ODD = (
    None, True, False, 0, 1, -1, 10**9, 0.5, "", "x", "GET", "5s", "5", "1d", "64Q", "/a", "a b", [], ["x"], [5],
    "64Ki", {}, {"x": 1}, [{}], {"exact": "/a"}, [[]],
)  # fmt: skip


@composite
def spoiled(draw):
    """A valid table in which one value is a different one, has gone, or stands beside one that is not known."""
    table = json.loads(json.dumps(draw(sampled_from([table for table in TABLES if table]))))
    at = table
    for _ in range(draw(integers(1, 6))):
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = draw(sampled_from(keys))
        if not isinstance(at[key], dict | list) or not at[key] or draw(sampled_from((True, False, False))):
            break
        at = at[key]
    keys = list(at) if isinstance(at, dict) else list(range(len(at)))
    key = draw(sampled_from(keys))
    change = draw(sampled_from(("value", "value", "value", "gone", "beside")))
    if change == "gone":
        del at[key]
    elif change == "beside" and isinstance(at, dict):
        at[draw(sampled_from(("zz", str(key).upper())))] = draw(just(1))
    else:
        at[key] = draw(sampled_from(ODD))
    return table


def refused(table):
    try:
        settings_of(table)
    except PolicyRefused:
        return True
    return False


def only_expressible(table):
    """Whether every error of every policy of a table is one that a schema can state."""
    found = []
    for name, written in table.items():
        try:
            SETTINGS[name].model_validate(tuples({} if written is None else written))  # of null: a default
        except ValidationError as error:
            found += [detail["type"] for detail in error.errors()]
        except KeyError:
            found.append("unknown")
    return bool(found) and INEXPRESSIBLE.isdisjoint(found)


def kinds(error):
    """The types that a schema asks for where a table has others: numbers are read from texts and from true, too."""
    return [error.validator_value, *(kind for each in error.context or () for kind in kinds(each))]


def tuples(value):
    if isinstance(value, list):
        return tuple(tuples(each) for each in value)
    return {key: tuples(each) for key, each in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("table", TABLES, ids=lambda table: ",".join(table) or "empty")
def test_the_schema_accepts_the_tables_of_the_examples(table):
    assert [error.message for error in SCHEMA.iter_errors(table)] == []


@settings(max_examples=200)
@given(spoiled())
def test_schema_and_code_agree_on_spoiled_tables(table):
    accepts = SCHEMA.is_valid(table)

    if refused(table):
        assert not (accepts and only_expressible(table))
    else:
        assert accepts or all("number" in kinds(error) for error in SCHEMA.iter_errors(table))


@pytest.mark.parametrize(
    "text",
    [
        "routes: {match: {}}",
        "routes: []",
        "routes: [{match: {method: 5}}]",
        "routes: [{match: 5}]",
        "routes: [{policies: {healthCheck: {}}}]",
        "routes: [{policies: {retries: {atempts: 1}}}]",
        "split: [{wieght: 1}]",
        "split: a",
        "maxRequestBody: {limit: 1Q}",
        "timeouts: {request: 5}",
        "retires: {}",
    ],
)
def test_the_schema_refuses_what_the_code_refuses(text):
    (document,) = yaml_documents(text.encode())

    assert (SCHEMA.is_valid(document.value), refused(document.value)) == (False, True)


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA.schema)


def test_the_command_prints_the_schema_of_a_table_and_of_a_policy():
    table, policy = (json.loads(CliRunner().invoke(app, ["schema", *name]).stdout) for name in ((), ("retries",)))

    assert table == SCHEMA.schema
    assert (policy["title"], "attempts" in policy["properties"]) == ("retries", True)
