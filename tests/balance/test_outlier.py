"""Outlier detection: what ejects an endpoint, for how long, and how many at most."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis.strategies import booleans, integers, lists, sampled_from, tuples

from nodeproxy.balance.health import usable
from nodeproxy.balance.outlier import OutlierDetector
from nodeproxy.balance.outlier_record import FailureRules, OutlierRecord, SuccessRateRules, least_rate, outliers
from nodeproxy.balance.standing import standing
from nodeproxy.policies.outlier_detection import OutlierDetectionSettings, rules
from tests.fakes.member import Judged, Member

USUAL = rules(OutlierDetectionSettings())


def judged(number=10, mode="enforce", **changes):
    return Judged(lambda now, decisions: OutlierDetector(replace(USUAL, **changes), now, decisions), number, mode)


def out(judged):
    """The numbers of the endpoints that are not usable."""
    return [index for index, member in enumerate(judged.members) if not usable(member.health, judged.now)]


def fail(judged, member=0, times=5, status=500):
    for _ in range(times):
        judged.answers(member, status)


def test_five_errors_in_a_row_eject_for_half_a_minute():
    of_ten = judged()
    fail(of_ten, times=4)
    assert out(of_ten) == [] and of_ten.changes == 0

    fail(of_ten, times=1)

    assert out(of_ten) == [0] and of_ten.changes == 1
    assert of_ten.counted() == {"consecutive-5xx": 1}
    of_ten.now += 29.9
    assert out(of_ten) == [0]
    assert of_ten.judge.ejected() == 1
    of_ten.now = of_ten.members[0].health.outlier_until
    assert out(of_ten) == [] and of_ten.judge.ejected() == 0


def test_a_success_in_between_starts_the_count_again():
    of_ten = judged()
    for _ in range(5):
        fail(of_ten, times=4)
        of_ten.answers(0, 200)

    assert out(of_ten) == []


def test_a_body_that_breaks_off_each_time_ejects_although_its_heads_were_fine():
    of_ten = judged()
    for _ in range(5):
        of_ten.answers(0, 200, broken="connection-lost")

    assert out(of_ten) == [0]


def test_an_error_whose_body_breaks_off_counts_once():
    of_ten = judged()
    for _ in range(4):
        of_ten.answers(0, 500, broken="connection-lost")

    assert out(of_ten) == []


@pytest.mark.parametrize(
    "reason", ["connect-failed", "connection-lost", "bad-response", "response-headers-too-large", "timeout"]
)
def test_failures_in_the_place_of_a_response_count_as_errors(reason):
    of_ten = judged()
    for _ in range(5):
        of_ten.fails(0, reason)

    assert out(of_ten) == [0]


@pytest.mark.parametrize("reason", ["client-gone", "cancelled", "body-timeout", "out-of-descriptors"])
def test_what_is_not_the_endpoints_fault_does_not_count(reason):
    of_ten = judged()
    for _ in range(20):
        of_ten.fails(0, reason)

    assert out(of_ten) == []


def test_a_body_for_which_a_slow_client_had_no_time_does_not_count():
    of_ten = judged()
    for _ in range(20):
        of_ten.answers(0, 200, broken="timeout")

    assert out(of_ten) == []


def test_gateway_errors_are_counted_apart_where_that_is_asked_for():
    of_ten = judged(consecutive_errors=0, consecutive_gateway=3)
    for status in (502, 503, 500, 504, 502):
        of_ten.answers(0, status)
    assert out(of_ten) == []

    of_ten.fails(0, "timeout")

    assert out(of_ten) == [0]
    assert of_ten.counted() == {"consecutive-gateway-errors": 1}


def test_local_failures_are_counted_apart_where_that_is_asked_for():
    of_ten = judged(split=True, consecutive_local=3)
    for reason in ("connect-failed", "timeout"):
        of_ten.fails(0, reason)
    of_ten.answers(0, 500)
    for reason in ("connect-failed", "connection-lost"):
        of_ten.fails(0, reason)
    assert out(of_ten) == []

    of_ten.fails(0, "timeout")

    assert out(of_ten) == [0]
    assert of_ten.counted() == {"local-origin": 1}
    assert of_ten.members[0].health.outlier.failures == 1


def test_a_malformed_response_is_an_error_and_no_local_failure():
    of_ten = judged(split=True)
    for _ in range(5):
        of_ten.fails(0, "bad-response")

    assert of_ten.counted() == {"consecutive-5xx": 1}


def test_the_statuses_that_are_errors_can_be_named():
    of_ten = judged(error_codes=frozenset({429, 503}))
    fail(of_ten, 0, status=429)
    fail(of_ten, 1, status=500)

    assert out(of_ten) == [0]


def test_each_ejection_is_longer_until_intervals_without_one_take_that_back():
    of_ten, seconds = judged(), []
    for _ in range(12):
        fail(of_ten)
        until = of_ten.members[0].health.outlier_until
        seconds.append(round(until - of_ten.now))
        of_ten.now = until

    assert seconds == [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]
    of_ten.now += 9 * USUAL.interval_s
    fail(of_ten)

    assert round(of_ten.members[0].health.outlier_until - of_ten.now) == 120


def test_responses_to_requests_sent_before_the_ejection_do_not_make_it_longer():
    of_ten = judged()
    fail(of_ten)
    until = of_ten.members[0].health.outlier_until

    fail(of_ten, times=20)

    assert of_ten.members[0].health.outlier_until == until
    assert of_ten.members[0].health.ejections == 1


@pytest.mark.parametrize(("number", "most"), [(1, 0), (2, 1), (9, 1), (10, 1), (19, 1), (20, 2), (35, 3)])
def test_at_most_a_tenth_is_ejected_but_one_of_several_may_be(number, most):
    service = judged(number)
    for member in range(number):
        fail(service, member)

    assert len(out(service)) == most
    assert service.counted().get("not-ejected", 0) == number - most


def test_without_the_exception_a_tenth_of_five_is_none():
    of_five = judged(5, always_one=False)

    fail(of_five)

    assert out(of_five) == []


@given(
    number=integers(1, 30),
    percent=integers(0, 100),
    always_one=booleans(),
    events=lists(tuples(integers(0, 29), sampled_from([500, 503, 200, "timeout"]), integers(0, 40)), max_size=300),
)
@settings(max_examples=60)
def test_never_are_more_ejected_than_allowed(number, percent, always_one, events):
    service = judged(number, most_percent=percent, always_one=always_one, consecutive_errors=2, base_s=60.0)
    most = max(number * percent // 100, 1 if always_one and number > 1 else 0)
    for member, outcome, later_s in events:
        service.now += later_s / 10
        if isinstance(outcome, str):
            service.fails(member % number, outcome)
        else:
            service.answers(member % number, outcome)

        assert len(out(service)) <= most


def test_in_shadow_mode_the_same_is_counted_and_nothing_ejected():
    of_five = judged(5, mode="shadow")

    fail(of_five, 0)
    fail(of_five, 1)

    assert of_five.counts == {("policy", "consecutive-5xx", "shadow"): 1, ("policy", "not-ejected", "shadow"): 1}
    assert out(of_five) == [] and of_five.changes == 0
    assert of_five.judge.ejected() == 1


def test_ejections_survive_an_update_and_end_with_the_policys_shadow_mode():
    of_ten = judged()
    fail(of_ten)
    until = of_ten.members[0].health.outlier_until

    again = judged(0)
    again.now = of_ten.now
    again.judge.installed(of_ten.members, lambda: None)
    assert of_ten.members[0].health.outlier_until == until
    rehearsed = judged(0, mode="shadow")
    rehearsed.judge.installed(of_ten.members, lambda: None)

    assert out(of_ten) == []


def interval(judged, failures, requests=100):
    """An interval in which each endpoint has so many failures, never two in a row."""
    for member, number in enumerate(failures):
        for request in range(requests):
            judged.answers(member, 500 if request < number * 2 and request % 2 else 200, taking_s=0)
    judged.now += USUAL.interval_s
    judged.answers(0, 200, taking_s=0)


def test_a_success_rate_far_below_the_others_ejects():
    of_six = judged(6, success_rate=SuccessRateRules(5, 100, 1.9), consecutive_errors=0)

    interval(of_six, [0, 1, 0, 40, 0, 1])

    assert out(of_six) == [3]
    assert of_six.counted() == {"success-rate": 1}
    assert standing(of_six.members[3].health, of_six.now).success_rate == pytest.approx(0.6)


@pytest.mark.parametrize(("number", "requests"), [(4, 100), (6, 99)])
def test_without_enough_endpoints_or_requests_no_rate_is_judged(number, requests):
    service = judged(number, success_rate=SuccessRateRules(5, 100, 1.9), consecutive_errors=0)

    interval(service, [40] + [0] * (number - 1), requests)

    assert out(service) == []


def records(*rates, requests=100):
    return [OutlierRecord(success_rate=rate, requests=requests) for rate in rates]


def test_the_bounds_of_success_rate_and_failure_percentage():
    rated = replace(USUAL, success_rate=SuccessRateRules(5, 100, 1.0), failures=FailureRules(85, 5, 50))

    assert least_rate([0.9, 1.0], 1.0) == pytest.approx(0.9)
    assert list(outliers(records(1, 1, 1, 1, 0.1), rated)) == [(4, "success-rate")]
    assert list(outliers(records(0.15, 0.15, 0.15, 0.15, 0.16), replace(rated, success_rate=None))) == [
        (index, "failure-percentage") for index in range(4)
    ]
    assert list(outliers(records(None, 1, 1, 1, 0.0), replace(rated, success_rate=None))) == []
    assert list(outliers(records(1, 1, 1, 1, 0.0, requests=49), rated)) == []


def test_an_endpoints_standing_says_why():
    of_ten = judged()
    fail(of_ten)
    fail(of_ten, 1, times=3)

    seen, other = (standing(of_ten.members[member].health, of_ten.now) for member in (0, 1))

    assert (seen.usable, seen.ejections, seen.outlier_ejections, seen.outlier_why) == (False, 1, 1, "consecutive-5xx")
    assert seen.ejected_s == pytest.approx(30, abs=0.1)
    assert (other.usable, other.errors, other.gateway_errors, other.outlier_why) == (True, 3, 0, "")


def test_a_new_endpoint_stands_well():
    seen = standing(Member("new").health, 1000.0)

    assert (seen.usable, seen.weight, seen.ejected_s, seen.latency_s, seen.success_rate) == (True, 1, 0, None, None)


def test_after_a_long_quiet_an_ejection_is_as_short_as_the_first():
    of_ten = judged()
    fail(of_ten)
    of_ten.now += 3600

    fail(of_ten)

    assert of_ten.members[0].health.outlier_until == of_ten.now + 30
