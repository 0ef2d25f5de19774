"""PEAK_EWMA: what an endpoint's latency is thought to be, and which of two is chosen."""

from collections import Counter
from itertools import pairwise
from math import exp
from random import Random

import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers, lists, tuples

from nodeproxy.balance.latency import DECAY_S, FAILED_S, PRESUMED_S, Latency, LatencyMeter, least_latency
from tests.fakes.member import Judged, Member

NOW = 1000.0
LATENCIES = floats(0.0001, 30)
LOADS = integers(0, 50)


def measured(*latencies_s):
    """Members with these latencies, None for one that is new."""
    members = [Member(f"e{index}") for index in range(len(latencies_s))]
    for member, latency_s in zip(members, latencies_s, strict=True):
        member.health.latency = Latency()
        if latency_s is not None:
            member.health.latency.observe(latency_s, NOW)
    return members


def judged(number=2):
    return Judged(lambda now, _decisions: LatencyMeter(now), number)


@given(samples=lists(LATENCIES, min_size=1, max_size=20))
def test_an_estimate_is_never_below_the_last_peak_as_it_decays_nor_above_all_samples(samples):
    latency, now = Latency(), NOW
    for sample in samples:
        now += 0.5
        latency.observe(sample, now)

        assert latency.estimate_s(now) >= sample * (1 - 1e-9)
        assert latency.estimate_s(now) <= max(samples) * (1 + 1e-9)


def test_a_peak_counts_at_once_and_is_forgotten_as_a_weighted_average():
    latency = Latency()
    latency.observe(0.01, NOW)
    latency.observe(1.0, NOW)
    assert latency.estimate_s(NOW) == pytest.approx(1.0)

    latency.observe(0.01, NOW + DECAY_S)

    assert latency.estimate_s(NOW + DECAY_S) == pytest.approx(exp(-1) + 0.01 * (1 - exp(-1)))


def test_an_estimate_decays_while_nothing_is_observed():
    latency = Latency()
    assert latency.estimate_s(NOW) is None

    latency.observe(1.0, NOW)

    estimates = [latency.estimate_s(NOW + late_s) for late_s in range(0, 60, 10)]
    assert all(later == pytest.approx(before * exp(-1)) for before, later in pairwise(estimates))


@given(number=floats(0, 1, exclude_max=True), first=tuples(LATENCIES, LOADS), second=tuples(LATENCIES, LOADS))
def test_of_two_the_one_with_the_lower_product_of_latency_and_load_is_chosen(number, first, second):
    one, other = members = measured(first[0], second[0])
    one.active, other.active = first[1], second[1]

    chosen = least_latency(members, lambda: number)

    costs = [latency_s * (active + 1) for latency_s, active in (first, second)]
    assert costs[members.index(chosen)] <= min(costs) * (1 + 1e-6)


@given(count=integers(1, 50), number=floats(0, 1, exclude_max=True))
def test_every_random_number_chooses_one(count, number):
    members = measured(*[0.1] * count)

    assert least_latency(members, lambda: number) in members


def test_a_new_endpoint_is_asked_first_and_one_request_at_a_time_until_it_has_answered():
    old, new = members = measured(0.001, None)

    assert least_latency(members, lambda: 0.2) is new
    new.active = 1
    assert least_latency(members, lambda: 0.2) is old
    old.active = 500
    assert least_latency(members, lambda: 0.7) is old


def test_a_slow_one_of_five_gets_next_to_nothing():
    random, members, seen = Random(5), measured(0.005, 0.005, 0.005, 0.005, 0.5), Counter()
    now = NOW
    for _ in range(5000):
        now += 0.002
        chosen = least_latency(members, random.random)
        seen[chosen.name] += 1
        chosen.health.latency.observe(0.5 if chosen.name == "e4" else 0.005, now)

    assert seen["e4"] <= 5
    assert max(seen.values()) < 2 * min(number for name, number in seen.items() if name != "e4")


def test_fast_errors_do_not_make_an_endpoint_look_fast():
    of_two = judged()
    of_two.answers(0, taking_s=0.2)
    for _ in range(50):
        of_two.answers(0, status=503, taking_s=0.001)
        of_two.fails(0, "connection-lost", taking_s=0.001)
        of_two.now += 1

    assert of_two.members[0].health.latency.estimate_s(of_two.now - 1) == pytest.approx(0.2, rel=0.01)


def test_an_endpoint_that_fails_is_presumed_to_be_as_slow_as_the_others():
    of_four = judged(4)
    of_four.answers(0, status=500, taking_s=0.001)
    assert of_four.members[0].health.latency.estimate_s(of_four.now) == pytest.approx(FAILED_S)

    for member in (1, 2):
        of_four.answers(member, taking_s=2)
    of_four.now += PRESUMED_S
    of_four.answers(3, status=503, taking_s=0.001)

    assert of_four.members[3].health.latency.estimate_s(of_four.now) == pytest.approx(2, rel=0.25)


@pytest.mark.parametrize("reason", ["cancelled", "client-gone"])
def test_an_attempt_given_up_by_its_client_has_lasted_at_least_as_long(reason):
    of_two = judged()
    of_two.answers(0, taking_s=0.1)

    of_two.fails(0, reason, taking_s=0.001)
    assert of_two.members[0].health.latency.estimate_s(of_two.now) == pytest.approx(0.1, rel=0.01)
    of_two.fails(0, reason, taking_s=3)

    assert of_two.members[0].health.latency.estimate_s(of_two.now) == pytest.approx(3)


def test_a_body_that_breaks_off_says_nothing_about_the_latency():
    of_two = judged()
    of_two.answers(0, taking_s=0.1)
    level = of_two.members[0].health.latency.level

    of_two.answers(0, taking_s=0.1, broken="connection-lost")

    assert of_two.members[0].health.latency.level >= level


def test_what_was_measured_survives_an_update():
    of_two = judged()
    of_two.answers(0, taking_s=0.1)
    latency = of_two.members[0].health.latency

    LatencyMeter(lambda: of_two.now).installed(of_two.members, lambda: None)

    assert of_two.members[0].health.latency is latency
