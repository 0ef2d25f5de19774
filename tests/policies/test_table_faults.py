"""What is said of settings that do not fit: where, what was meant, and what would be right."""

import pytest

from nodeproxy.policies.routes import RoutesSettings
from nodeproxy.policies.table import PolicyRefused, settings_of
from nodeproxy.policies.table_faults import faults_of, unknown
from nodeproxy.policies.validation_words import QUOTED_MOST


def said_of(table):
    with pytest.raises(PolicyRefused) as caught:
        settings_of(table)
    return caught.value


@pytest.mark.parametrize(
    ("table", "path", "message"),
    [
        ({"retires": {}}, ("retires",), "no such policy; did you mean retries? there are accessLog, adaptive"),
        ({"loadbalancer": {}}, ("loadbalancer",), "no such policy; did you mean loadBalancer? there are "),
        ({"zzz": {}}, ("zzz",), "no such policy; there are accessLog, adaptive"),
        (
            {"retries": {"backoff": {"bse": 1}}},
            ("retries", "backoff", "bse"),
            "no such field; did you mean base? there are base, max",
        ),
        (
            {"split": [{"service": "a", "wight": 1}]},
            ("split", 0, "wight"),
            "no such field; did you mean weight? there are ",
        ),
        (
            {"split": {"targets": [{"service": "A b"}]}},
            ("split", "targets", 0, "service"),
            "expected a name of lower-case letters, digits and dashes, got 'A b'",
        ),
        ({"split": []}, ("split",), "the list should have at least 1 item, not 0, got []"),
        (
            {"retries": {"retryOn": ["rest"]}},
            ("retries", "retryOn", 0),
            "expected one of connect-failure, reset, timeout, gateway-error, 5xx, retriable-status-codes, cancelled, "
            "deadline-exceeded, internal, resource-exhausted, unavailable, refused-stream, got 'rest'",
        ),
        ({"retries": {"attempts": 99}}, ("retries", "attempts"), "expected at most 10, got 99"),
        ({"retries": {"attempts": None}}, ("retries", "attempts"), "expected a valid integer, got null"),
        ({"retries": {"codes": 503}}, ("retries", "codes"), "expected a list, got 503"),
        ({"retries": 5}, ("retries",), "expected a mapping of fields: attempts, backoff, codes, "),
        (
            {"timeouts": {"request": "5 s"}},
            ("timeouts", "request"),
            "not a duration; write one as 250ms, 15s or 1m30s, got '5 s'",
        ),
        ({"maxRequestBody": {}}, ("maxRequestBody", "limit"), "has to be written, and is missing"),
        (
            {"split": [{"service": "a", "weight": 0}]},
            ("split",),
            "at least one target needs a weight above 0, got ",
        ),
    ],
)
def test_a_fault_has_its_place_and_what_would_be_right(table, path, message):
    refused = said_of(table)

    assert refused.places[0] == path
    assert len(refused.problems) == 1
    assert refused.problems[0].partition(": ")[2].startswith(message)


@pytest.mark.parametrize(
    ("written", "path", "message"),
    [
        ([{"mach": {}}], ("routes", 0, "mach"), "no such field; did you mean match? there are canary, "),
        (
            [{"match": {"path": {"exct": "/"}}}],
            ("routes", 0, "match", "path", "exct"),
            "no such field; did you mean exact? there are exact, prefix, regex",
        ),
        (
            [{"match": [{}, {"method": "a b"}]}],
            ("routes", 0, "match", 1, "method"),
            "expected a name as HTTP has it, without spaces and separators, got 'a b'",
        ),
        (
            {"rules": [{"redirect": {"status": 300}}]},
            ("routes", "rules", 0, "redirect", "status"),
            "expected one of 301, ",
        ),
        (
            [{"match": {"path": {"exact": "x"}}}],
            ("routes", 0, "match", "path", "exact"),
            "expected a path that begins with /",
        ),
    ],
)
def test_a_fault_in_a_short_form_has_the_place_as_it_is_written(written, path, message):
    with pytest.raises(ValueError, match="validation error") as caught:
        RoutesSettings.model_validate(_tuples(written))

    (fault,) = faults_of(("routes",), RoutesSettings, written, caught.value)

    assert (fault.path, fault.message[: len(message)]) == (path, message)


def test_all_faults_are_told_at_once_each_once():
    table = {"retires": {}, "retries": {"attempts": "x", "zz": 1}, "split": [{"service": "A"}, {"service": "B"}]}

    assert said_of(table).places == (
        ("retires",),
        ("retries", "attempts"),
        ("retries", "zz"),
        ("split", 0, "service"),
        ("split", 1, "service"),
    )


def test_a_wrong_value_is_quoted_short_and_without_passwords():
    refused = said_of(
        {"retries": {"attempts": "x" * 10_000}, "rateLimit": {"global": {"server": "redis://u:secret@h/x"}}}
    )

    assert len(refused.problems[-1]) < QUOTED_MOST + 100
    assert "secret" not in str(refused)


def test_a_name_far_from_all_others_is_not_guessed_at():
    assert unknown("field", "q", ["attempts"]) == "no such field; there are attempts"


def _tuples(value):
    if isinstance(value, list):
        return tuple(_tuples(each) for each in value)
    return {key: _tuples(each) for key, each in value.items()} if isinstance(value, dict) else value
