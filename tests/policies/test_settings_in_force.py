"""From the operator's mapping to settings: defaults, and messages that name the place."""

import pytest

from nodeproxy.policies.chain import CHAIN
from nodeproxy.policies.health_check import HealthCheckSettings
from nodeproxy.policies.load_balancer import LoadBalancerSettings
from nodeproxy.policies.table import PolicyRefused, settings_of


def problems(policies):
    """The problems of a table that is refused."""
    with pytest.raises(PolicyRefused) as refused:
        settings_of(policies)
    return refused.value.problems


def test_an_empty_table_has_the_policies_that_hold_unless_told_otherwise():
    settings = settings_of({})

    assert set(settings) == {"timeouts", "retries", "retryBudget", "loadBalancer"}
    assert all(block == type(block)() for block in settings.values())


def test_an_empty_block_asks_for_the_policy_with_its_defaults():
    assert settings_of({"healthCheck": {}})["healthCheck"] == HealthCheckSettings()


def test_null_asks_for_nothing_and_takes_nothing_away():
    assert settings_of({"healthCheck": None, "retries": None}) == settings_of({})


def test_what_is_written_counts_and_the_rest_is_as_usual():
    settings = settings_of({"retries": {"attempts": 1, "codes": [429, 503], "backoff": {"max": "1s"}}})["retries"]

    assert (settings.attempts, settings.codes, settings.backoff.max_s) == (1, (429, 503), 1.0)
    assert (settings.backoff.base_s, settings.retry_on) == (0.025, ("connect-failure", "reset"))


@pytest.mark.parametrize(
    ("policies", "problem"),
    [
        (
            {"retry": {}},
            "retry: no such policy; did you mean retries? there are "
            + ", ".join(sorted(policy.name for policy in CHAIN)),
        ),
        ({"retries": {"attempt": 1}}, "retries.attempt: no such field"),
        ({"retries": {"backoff": {"step": "1s"}}}, "retries.backoff.step: no such field"),
        ({"retries": {"attempts": 99}}, "retries.attempts: expected at most 10, got 99"),
        ({"retries": {"attempts": "2"}}, "retries.attempts: expected a valid integer, got '2'"),
        (
            {"timeouts": {"request": "5 s"}},
            "timeouts.request: not a duration; write one as 250ms, 15s or 1m30s, got '5 s'",
        ),
        ({"timeouts": {"request": 5}}, "timeouts.request: not a duration; write one as 250ms, 15s or 1m30s, got 5"),
        (
            {"loadBalancer": {"simple": "LEAST"}},
            "loadBalancer.simple: expected one of LEAST_REQUEST, ROUND_ROBIN, RANDOM, PEAK_EWMA, got 'LEAST'",
        ),
        ({"healthCheck": {"interval": "1ms"}}, "healthCheck.interval: expected at least 100ms, got '1ms'"),
    ],
)
def test_a_problem_names_its_place_what_is_wrong_and_the_value(policies, problem):
    (told,) = problems(policies)

    assert told.startswith(problem)


@pytest.mark.parametrize(
    ("block", "got"), [([], "[]"), (False, "false"), (0, "0"), ("", "''"), ("on", "'on'"), (5, "5")]
)
def test_a_block_is_a_mapping(block, got):
    (told,) = problems({"retries": block})

    assert told.startswith("retries: expected a mapping of fields: attempts, backoff, ")
    assert told.endswith(f", got {got}")


def test_all_problems_are_told_at_once():
    told = problems(
        {"nope": {}, "timeouts": {"request": "x", "idle": "y"}, "retries": {"codes": [1, 503]}, "loadBalancer": {}}
    )

    assert [problem.split(":")[0] for problem in told] == [
        "nope",
        "timeouts.request",
        "timeouts.idle",
        "retries.codes[0]",
    ]


def test_the_error_reads_as_one_line():
    refused = PolicyRefused(("a: wrong", "b: wrong"))

    assert str(refused) == "a: wrong; b: wrong"
    assert isinstance(refused, ValueError)


@pytest.mark.parametrize("simple", ["LEAST_REQUEST", "ROUND_ROBIN", "RANDOM"])
def test_the_balancer_is_one_of_three(simple):
    assert settings_of({"loadBalancer": {"simple": simple}})["loadBalancer"].simple == simple


def test_load_decides_unless_told_otherwise():
    assert LoadBalancerSettings().simple == "LEAST_REQUEST"


@pytest.mark.parametrize(
    "written",
    [
        {"path": "healthz"},
        {"path": ""},
        {"path": "/a b"},
        {"path": "/a\r\nHost: b"},
        {"path": "/é"},
        {"interval": "0s"},
        {"timeout": 0},
        {"unhealthyThreshold": 0},
        {"healthyThreshold": 0},
    ],
)
def test_a_probe_that_makes_no_sense_is_refused(written):
    assert len(problems({"healthCheck": written})) == 1


def test_a_probe_is_as_written():
    written = {"path": "/ready?deep=1", "interval": "500ms", "timeout": "100ms"}

    settings = settings_of({"healthCheck": {**written, "unhealthyThreshold": 2, "healthyThreshold": 4}})["healthCheck"]

    assert (settings.path, settings.interval_s, settings.timeout_s) == ("/ready?deep=1", 0.5, 0.1)
    assert (settings.unhealthy_threshold, settings.healthy_threshold) == (2, 4)


def test_policies_that_act_elsewhere_put_nothing_around_a_handler():
    acting = {policy.name for policy in CHAIN if policy.wrap or policy.on_request or policy.on_response}

    elsewhere = {
        "loadBalancer",
        "outlierDetection",
        "healthCheck",
        "retryBudget",
        "routes",
        "split",
        "connectionPool",
        "protocol",
        "redis",
        "rollout",
    }
    assert {policy.name for policy in CHAIN} - acting == elsewhere


def test_timeouts_stand_around_retries():
    names = [policy.name for policy in CHAIN]

    assert names.index("timeouts") < names.index("retries")
