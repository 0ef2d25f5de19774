import pytest
from hypothesis import given
from hypothesis.strategies import dictionaries, integers, recursive, sampled_from

from discovery.policies.key import mesh_scope
from discovery.policies.table import Bounds, PolicyTables, table_of
from discovery.problem import Origin
from discovery.services.catalogue import POLICY_MAP
from nodeproxy.policies.merge import merged
from nodeproxy.policies.table import PolicyRefused
from tests.discovery.kube import policy_map, stored

ORIGIN = Origin("mesh.yaml", 1)
PLACE = 'mesh.yaml: document 1 (ConfigMap nodeproxy/nodeproxy-policy): data["reviews.shop"]: '


def tables(**texts):
    found = PolicyTables(POLICY_MAP, mesh_scope)
    apply(found, **texts)
    return found


def apply(found, **texts):
    return found.apply(stored(policy_map(**texts)).object, ORIGIN)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("retires: {attempts: 3}", "retires: no such policy; did you mean retries? there are accessLog, adaptive"),
        ("retries: {atempts: 3}", "retries.atempts: no such field; did you mean attempts? there are attempts, "),
        ("retries: {attempts: many}", "retries.attempts: "),
        ("timeouts: {request: 5}", "timeouts.request: not a duration; write one as 250ms, 15s or 1m30s, got 5"),
        ("timeouts: 5s", "timeouts: "),
        ("5", "expected one mapping from policies to their settings, got 5"),
        ("a: 1\n---\nb: 1", "expected one mapping from policies to their settings, got {'a': 1}"),
        ("retries: {attempts: 3", "not YAML: "),
    ],
)
def test_a_table_that_cannot_be_in_force_says_where_and_what(text, problem):
    found = tables(reviews__shop=text)

    assert str(found.problems[0]).startswith(PLACE + problem)
    assert found.in_force == {}


def test_broken_yaml_in_a_table_has_the_line_of_its_text():
    found = tables(reviews__shop="retries:\n  attempts: [\n")

    assert str(found.problems[0]).endswith(" (line 3 of its text)")


TABLE = """\
timeouts:
  request: 10s
retries:
  backoff:
    base: soon
split:
- service: a
  wieght: 1
- {service: b, port: 0}
heatlhCheck: {}
"""


def test_each_problem_has_the_line_of_its_key_in_the_text_of_the_table():
    found = tables(reviews__shop=TABLE)

    lines = {problem.message.partition(":")[0]: problem.text_line for problem in found.problems}
    assert lines == {"retries.backoff.base": 5, "split[0].wieght": 8, "split[1].port": 9, "heatlhCheck": 10}


def test_what_is_missing_has_the_line_of_what_it_is_missing_in():
    found = tables(reviews__shop="timeouts: {}\nmaxRequestBody:\n  mode: shadow\n")

    (problem,) = found.problems
    assert (problem.text_line, "maxRequestBody.limit: has to be written" in problem.message) == (2, True)


def test_a_refused_table_leaves_the_text_of_its_last_good_version_for_explain():
    found = tables(reviews__shop="retries: {attempts: 4}")

    apply(found, reviews__shop="retries: {attempts: no}")

    assert found.texts == {"reviews.shop": "retries: {attempts: 4}"}


def test_an_empty_table_asks_for_nothing():
    assert table_of("") == {}


def test_a_bad_table_leaves_its_last_good_version_and_harms_no_other():
    found = tables(reviews__shop="retries: {attempts: 4}", ratings__shop="retries: {attempts: 5}")

    changed = apply(found, reviews__shop="retries: {attempts: no}", ratings__shop="retries: {attempts: 6}")

    assert changed == {"ratings.shop"}
    assert found.in_force["reviews.shop"] == {"retries": {"attempts": 4}}
    assert len(found.problems) == 1


def test_a_table_that_is_gone_is_no_longer_in_force():
    found = tables(_default="retries: {attempts: 4}", _default__shop="retries: {attempts: 5}")

    assert apply(found, _default="retries: {attempts: 4}") == {"_default.shop"}
    assert found.apply(None) == {"_default"}
    assert found.in_force == {}


def test_a_key_that_is_gone_takes_the_last_good_version_of_its_table_with_it():
    found = tables(reviews__shop="retries: {attempts: 4}")
    apply(found, reviews__shop="retries: {attempts: no}")

    assert apply(found) == {"reviews.shop"}
    assert (found.in_force, found.problems) == ({}, ())


def test_a_table_nested_to_the_limit_of_documents_is_refused_not_fatal():
    depth = 250

    with pytest.raises(PolicyRefused):
        table_of("retries: {attempts: " + "[" * depth + "]" * depth + "}")


def test_a_table_of_thousands_of_values_is_refused_before_it_is_checked():
    with pytest.raises(PolicyRefused, match="more than 50000 values; split it"):
        table_of("retries: {codes: [" + "1, " * 100_000 + "]}")


def test_a_map_beyond_its_bounds_leaves_all_that_it_said_before():
    found = PolicyTables(POLICY_MAP, mesh_scope, bounds=Bounds(tables=2, characters=100))
    apply(found, reviews__shop="retries: {attempts: 4}")

    for larger in ({"a__a": "", "b__b": "", "c__c": ""}, {"a__a": "#" * 101}):
        assert apply(found, **larger) == set()
        assert found.in_force == {"reviews.shop": {"retries": {"attempts": 4}}}
        assert "data: is larger than 2 tables and 100 characters; make two ConfigMaps of it" in str(found.problems[0])

    assert apply(found, a__a="", b__b="#" * 100) == {"reviews.shop", "a.a", "b.b"}


def test_a_table_whose_text_has_not_changed_is_not_read_again():
    read = []
    found = PolicyTables(POLICY_MAP, mesh_scope, validate=read.append)
    apply(found, _default="retries: {attempts: 4}", reviews__shop="retries: {attempts: 5}")

    apply(found, _default="retries: {attempts: 4}", reviews__shop="retries: {attempts: 6}")

    assert [table["retries"]["attempts"] for table in read] == [4, 5, 6]


def test_a_name_that_a_terminal_would_act_on_is_escaped():
    found = tables(reviews__shop='"\\e[31m": 5')

    assert "\\x1b[31m: no such policy" in str(found.problems[0])


def test_a_huge_wrong_value_is_quoted_short():
    found = tables(reviews__shop="retries: {attempts: " + "x" * 100_000 + "}")

    assert len(str(found.problems[0])) < 1000


NESTED = recursive(integers(), lambda inner: dictionaries(sampled_from("abc"), inner, max_size=3), max_leaves=8)
TABLES = dictionaries(sampled_from("abc"), NESTED, max_size=3)


@given(wide=TABLES, narrow=TABLES)
def test_merging_keeps_all_that_the_narrow_table_says(wide, narrow):
    result = merged(wide, narrow)

    assert merged(result, narrow) == result
    assert result.keys() == wide.keys() | narrow.keys()
    assert all(result[key] == value for key, value in narrow.items() if not isinstance(value, dict))


@given(table=TABLES)
def test_merging_with_nothing_changes_nothing(table):
    assert merged(table, {}) == merged({}, table) == table
