"""Shares: endpoints that warm up and endpoints that refuse load, under every chooser."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis.strategies import floats, integers, lists, sampled_from

from nodeproxy.balance.choice import InTurn, by_chance
from nodeproxy.balance.latency import Latency, least_latency
from nodeproxy.balance.refusals import LEAST_SHARE, Refusals, Shedding, SheddingRules, refusal_s
from nodeproxy.balance.weighted import REFRESH_S, Shares, WarmupRules, Weighted, least_loaded, warm_share
from nodeproxy.protocol.fields import Fields
from tests.fakes.member import Judged, Member

NOW = 1000.0
RULES = SheddingRules(max_retry_after_s=300.0, decay_s=5.0)
WARMUP = WarmupRules(duration_s=60.0, least_share=0.1, aggression=1.0)


def shares_seen(choose, members, times=6000, now=lambda: NOW, shares=None):
    """The part of the requests that each member gets, if none lasts."""
    weighted, random = Weighted(choose, shares or Shares(WARMUP, None), now), Random(11)
    seen = Counter(weighted(members, random.random).name for _ in range(times))
    return [seen[member.name] / times for member in members]


def aged(*ages_s):
    members = [Member(f"e{index}") for index in range(len(ages_s))]
    for member, age_s in zip(members, ages_s, strict=True):
        member.health.joined_at = NOW - age_s
        member.health.latency = Latency()
        member.health.latency.observe(0.01, NOW)
    return members


@pytest.mark.parametrize(
    ("age_s", "aggression", "share"),
    [(0, 1, 0.1), (3, 1, 0.1), (30, 1, 0.5), (60, 1, 1), (999, 1, 1), (15, 2, 0.5), (30, 0.5, 0.25), (-1, 1, 0.1)],
)
def test_the_share_of_a_new_endpoint_grows_as_envoys_slow_start(age_s, aggression, share):
    assert warm_share(age_s, WarmupRules(60.0, 0.1, aggression)) == pytest.approx(share)


@given(
    ages=lists(floats(0, 120), min_size=2, max_size=6),
    choose=sampled_from([InTurn(), by_chance]),
)
@settings(max_examples=25)
def test_requests_are_shared_in_proportion(ages, choose):
    members = aged(*ages)

    seen = shares_seen(choose, members)

    wanted = [warm_share(age_s, WARMUP) for age_s in ages]
    for part, want in zip(seen, wanted, strict=True):
        assert part == pytest.approx(want / sum(wanted), abs=0.03)


@pytest.mark.parametrize("choose", [InTurn(), by_chance, least_loaded, least_latency])
def test_every_chooser_gives_a_cold_endpoint_a_tenth(choose):
    members = aged(999, 999, 999, 0)

    cold = shares_seen(choose, members)[-1]

    assert cold == pytest.approx(0.1 / 3.1, abs=0.02)


def test_endpoints_that_are_all_new_have_their_whole_shares():
    members = aged(5, 5)
    weighted = Weighted(InTurn(), Shares(WARMUP, None), lambda: NOW)

    drawn = [weighted(members, lambda: 0.99).name for _ in range(4)]

    assert drawn == ["e1", "e0", "e1", "e0"]


@given(weights=lists(floats(0.001, 1), min_size=1, max_size=8), number=floats(0, 1, exclude_max=True))
def test_a_choice_ends_whatever_the_random_numbers(weights, number):
    members = aged(*[999] * len(weights))
    for member, weight in zip(members, weights, strict=True):
        member.health.refusals = Refusals(missing=1 - weight, held_until=NOW + 9)

    assert Weighted(by_chance, Shares(None, 5.0), lambda: NOW)(members, lambda: number) in members


def test_shares_are_computed_again_after_a_while_and_for_other_candidates():
    members, now = aged(999, 0), [NOW]
    weighted = Weighted(by_chance, Shares(WARMUP, None), lambda: now[0])
    weighted(members, lambda: 0.0)
    assert members[1].health.weight == pytest.approx(0.1)

    now[0] += 30
    weighted(members, lambda: 0.0)

    assert members[1].health.weight == pytest.approx(0.5)
    assert REFRESH_S < 1


@pytest.mark.parametrize(
    ("status", "fields", "after_s"),
    [
        (200, b"Retry-After: 5\r\n", None),
        (302, b"Retry-After: 5\r\n", None),
        (404, b"", None),
        (503, b"", None),
        (429, b"", 0),
        (429, b"Retry-After: soon\r\n", 0),
        (503, b"Retry-After: 7\r\n", 7),
        (413, b"Retry-After: 7\r\n", 7),
        (503, b"Date: Thu, 26 Nov 2026 10:00:00 GMT\r\nRetry-After: Thu, 26 Nov 2026 10:00:30 GMT\r\n", 30),
        (503, b"Date: Thu, 26 Nov 2026 10:00:00 GMT\r\nRetry-After: Thu, 26 Nov 2026 09:00:00 GMT\r\n", 0),
        (503, b"Retry-After: Thu, 26 Nov 2026 10:00:30 GMT\r\n", None),
        (503, b"Date: today\r\nRetry-After: Thu, 26 Nov 2026 10:00:30\r\n", None),
    ],
)
def test_a_refusal_of_load_is_a_429_or_an_error_with_retry_after(status, fields, after_s):
    assert refusal_s(status, Fields(fields)) == after_s


def shedding(mode="enforce"):
    return Judged(lambda now, decisions: Shedding(RULES, now, decisions), mode=mode)


def share(judged, member=0):
    refusals = judged.members[member].health.refusals
    return refusals.share(judged.now, RULES.decay_s)


def test_each_429_halves_the_share_down_to_the_least():
    of_three = shedding()
    seen = []
    for _ in range(9):
        of_three.answers(0, 429, taking_s=0)
        seen.append(share(of_three))

    assert seen[:4] == pytest.approx([0.5, 0.25, 0.125, 0.0625])
    assert seen[-1] == pytest.approx(LEAST_SHARE)
    assert of_three.counted() == {"shed": 9}
    assert share(of_three, 1) == 1


def test_the_share_comes_back_gradually():
    of_three = shedding()
    for _ in range(9):
        of_three.answers(0, 429, taking_s=0)

    seen = []
    for _ in range(5):
        of_three.now += RULES.decay_s
        seen.append(share(of_three))

    assert seen == pytest.approx([0.636, 0.866, 0.951, 0.982, 0.993], abs=0.001)


def test_retry_after_is_waited_for_but_not_for_ever():
    of_three = shedding()
    of_three.answers(0, 503, taking_s=0, retry_after=b"20")
    of_three.answers(1, 503, taking_s=0, retry_after=b"86400")

    of_three.now += 20
    assert (share(of_three), share(of_three, 1)) == pytest.approx((LEAST_SHARE, LEAST_SHARE))
    of_three.now += 20
    assert (share(of_three), share(of_three, 1)) == pytest.approx((0.982, LEAST_SHARE), abs=0.001)
    of_three.now += 260 + 20

    assert share(of_three, 1) == pytest.approx(0.982, abs=0.001)


def test_a_refusal_without_retry_after_does_not_shorten_an_earlier_one():
    of_three = shedding()
    of_three.answers(0, 503, taking_s=0, retry_after=b"20")

    of_three.answers(0, 429, taking_s=0)
    of_three.now += 19

    assert share(of_three) == pytest.approx(LEAST_SHARE)


@given(number=integers(0, 30), late_s=floats(0, 1000), after_s=floats(0, 1e6))
def test_a_share_is_always_between_the_least_and_the_whole(number, late_s, after_s):
    refusals = Refusals()
    for _ in range(number):
        refusals.refuse(NOW, after_s, RULES)

    assert LEAST_SHARE * 0.999 <= refusals.share(NOW + late_s, RULES.decay_s) <= 1


def test_in_shadow_mode_a_refusal_is_counted_and_takes_nothing():
    of_three = shedding("shadow")

    of_three.answers(0, 429)

    assert of_three.counts == {("policy", "shed", "shadow"): 1}
    assert of_three.members[0].health.refusals is None
    assert Shares(None, 5.0).of(of_three.members[0].health, of_three.now) == 1


@pytest.mark.parametrize("choose", [least_loaded, by_chance, InTurn(), least_latency])
def test_an_endpoint_that_refuses_gets_next_to_nothing_whatever_the_chooser(choose):
    members = aged(999, 999, 999)
    members[0].health.refusals = Refusals()
    members[0].health.refusals.refuse(NOW, 30.0, RULES)

    assert shares_seen(choose, members, shares=Shares(None, RULES.decay_s))[0] < 0.02


@pytest.mark.parametrize("order", [1, -1])
def test_one_with_a_tenth_of_its_share_is_as_loaded_by_one_as_another_by_ten(order):
    new, old = Member("new", active=1), Member("old", active=9)
    new.health.weight = 0.1

    assert least_loaded([new, old][::order], lambda: 0.0) is old
    old.active = 11
    assert least_loaded([new, old][::order], lambda: 0.0) is new
