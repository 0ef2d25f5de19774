"""Expressions of Traefik's circuit breaker, and what they mean here."""

import pytest
from hypothesis import given
from hypothesis.strategies import lists, sampled_from, text

from discovery.policies.traefik.breaker import breaker_of
from discovery.policies.traefik.expression import Condition, Either, Every, NotAnExpression, parse
from nodeproxy.policies.table import PolicyRefused, settings_of

METRICS = ("NetworkErrorRatio", "ResponseCodeRatio", "LatencyAtQuantileMS")
WORDS = (*METRICS, "(", ")", ",", "&&", "||", ">", ">=", "<", "==", "!=", "0.5", "500", "600", "0", "50.0", "!", "x")


def circuit(expression):
    return breaker_of(expression).table.get("circuitBreaker", {})


def test_and_binds_closer_than_or_and_parentheses_closer_than_both():
    found = parse("NetworkErrorRatio() > 0.1 || NetworkErrorRatio()>0.2 && (NetworkErrorRatio() > 0.3)")
    grouped = parse("(NetworkErrorRatio() > 0.1 || NetworkErrorRatio() > 0.2) && NetworkErrorRatio() > 0.3")

    assert isinstance(found, Either) and isinstance(found.parts[1], Every)
    assert found.parts[1].text == "NetworkErrorRatio()>0.2 && (NetworkErrorRatio() > 0.3)"
    assert isinstance(grouped, Every) and isinstance(grouped.parts[0], Either)


def test_a_condition_is_a_metric_with_arguments_compared_with_a_number():
    found = parse(" ResponseCodeRatio(500, 600,0,600) >= 0.25 ")

    expected = ("ResponseCodeRatio(500, 600,0,600) >= 0.25", "ResponseCodeRatio", (500, 600, 0, 600), ">=", 0.25)
    assert found == Condition(*expected)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "expected NetworkErrorRatio(), ResponseCodeRatio(from, to, of, to) or LatencyAtQuantileMS(q) at its end"),
        ("NetworkErrorRatio > 0.5", "expected ( at '> 0.5'"),
        ("NetworkErrorRatio()", "expected a comparison such as > 0.5 at its end"),
        ("NetworkErrorRatio() > ", "expected a number at its end"),
        ("NetworkErrorRatio() > 0.5 0.6", "expected && or || at '0.6'"),
        ("NetworkErrorRatio() = 0.5", "expected a metric, a number or an operator at '= 0.5'"),
        ("ResponseCodeRatio(500, 600) > 0.5", "expected , at ') > 0.5'"),
        ("(NetworkErrorRatio() > 0.5", "expected ) at its end"),
        ("ErrorRatio() > 0.5", "at 'ErrorRatio() > 0.5'"),
        ("(" * 30, "more than 20 parentheses"),
        ("NetworkErrorRatio() > 0.5 ||" * 50, "longer than 1000 characters"),
    ],
)
def test_what_is_no_expression_is_refused_with_the_place(expression, words):
    with pytest.raises(PolicyRefused) as refused:
        breaker_of(expression)

    assert words in refused.value.problems[0]


@given(lists(sampled_from(WORDS), max_size=30).map(" ".join) | text(max_size=60))
def test_any_text_is_read_or_refused_and_what_is_read_is_valid(expression):
    try:
        parse(expression)
    except NotAnExpression:
        return

    settings_of(breaker_of(expression).table)


def test_shares_of_failures_and_quantiles_of_latency_have_their_equivalents():
    periods = {"window": "10s", "openDuration": "10s", "maxOpenDuration": "10s"}

    assert circuit("ResponseCodeRatio(500, 600, 0, 600) > 0.25") == {**periods, "failureRatio": 0.25}
    assert circuit("NetworkErrorRatio() > 0.30") == {**periods, "failureRatio": 0.3}
    slow = {**periods, "failureRatio": 1.0, "slowRatio": 0.05, "slowerThan": "250ms"}
    assert circuit("LatencyAtQuantileMS(95.0) > 250") == slow


def test_either_condition_opens_the_circuit_and_of_two_shares_the_smaller_one():
    found = circuit("NetworkErrorRatio() > 0.5 || (LatencyAtQuantileMS(50.0) > 100 || NetworkErrorRatio() >= 0.2)")

    assert (found["failureRatio"], found["slowRatio"], found["slowerThan"]) == (0.2, 0.5, "100ms")


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("NetworkErrorRatio() > 0.5 && LatencyAtQuantileMS(50.0) > 1", "none waits for another (&&)"),
        ("NetworkErrorRatio() < 0.5", "not by <; write the condition with >"),
        ("NetworkErrorRatio() > 0", "more than 0 and less than 1"),
        ("NetworkErrorRatio() > 50", "more than 0 and less than 1"),
        ("NetworkErrorRatio() > 1", "more than 0 and less than 1"),
        ("ResponseCodeRatio(400, 500, 0, 600) > 0.5", "write ResponseCodeRatio(500, 600, 0, 600)"),
        ("ResponseCodeRatio(500, 599, 0, 600) > 0.5", "write ResponseCodeRatio(500, 600, 0, 600)"),
        ("ResponseCodeRatio(500, 600, 101, 600) > 0.5", "write ResponseCodeRatio(500, 600, 0, 600)"),
        ("ResponseCodeRatio(500, 600, 0, 599) > 0.5", "write ResponseCodeRatio(500, 600, 0, 600)"),
        ("LatencyAtQuantileMS(50) > 0", "more than 0 ms"),
        ("LatencyAtQuantileMS(100) > 100", "a quantile is 0 to below 100"),
        (f"LatencyAtQuantileMS(50) > {'9' * 900}", "a quantile is 0 to below 100"),
    ],
)
def test_a_condition_without_an_equivalent_is_a_warning_that_names_it_and_the_cure(expression, words):
    found = breaker_of(expression)

    assert found.table == {}
    (warning,) = found.warnings
    assert warning.startswith(f"{expression} is not in force: ") and words in warning


def test_the_limits_of_a_condition_belong_to_it():
    assert circuit("NetworkErrorRatio() >= 1")["failureRatio"] == 1
    assert circuit("ResponseCodeRatio(500, 1000, 100, 1000) > 0.5")["failureRatio"] == 0.5
    assert circuit("LatencyAtQuantileMS(0) > 0.001")["slowRatio"] == 1


FAILURES, ALL_FAIL, HEAD = (
    "every 5xx as a failure",
    "opens also when all requests fail",
    "ends with the response's head",
)


@pytest.mark.parametrize(
    ("expression", "differences"),
    [
        ("ResponseCodeRatio(500, 600, 0, 600) > 0.5", []),
        ("NetworkErrorRatio() > 0.5", [FAILURES]),
        ("LatencyAtQuantileMS(50) > 100", [ALL_FAIL, HEAD]),
        ("LatencyAtQuantileMS(50) > 100 || NetworkErrorRatio() > 0.5", [FAILURES, HEAD]),
    ],
)
def test_what_a_circuit_does_otherwise_than_in_traefik_mesh_is_told(expression, differences):
    told = breaker_of(expression).difference

    assert told.startswith("circuitBreaker waits for 20 results")
    assert [each for each in (FAILURES, ALL_FAIL, HEAD) if each in told] == differences


def test_what_has_no_equivalent_leaves_the_other_conditions_in_force():
    found = breaker_of(
        "LatencyAtQuantileMS(50.0) > 100 || LatencyAtQuantileMS(99.0) > 900 || NetworkErrorRatio() > 0.5"
    )

    assert found.table["circuitBreaker"]["slowerThan"] == "100ms"
    assert found.table["circuitBreaker"]["failureRatio"] == 0.5
    (warning,) = found.warnings
    assert warning.startswith("LatencyAtQuantileMS(99.0) > 900 is not in force: circuitBreaker has one limit")
