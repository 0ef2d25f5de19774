"""The quantile of recent latencies: how exact it is, how soon it is known, how soon it forgets."""

from math import ceil, inf

import pytest
from hypothesis import given
from hypothesis.strategies import floats, lists, sampled_from

from nodeproxy.policies.latencies import BUCKETS, EVERY, GROWTH, KNOWN, SHORTEST_S, WINDOW, Latencies


def learned(share, seconds, before=None):
    latencies = Latencies(share, before)
    for each in seconds:
        latencies.add(each)
    return latencies


@given(seconds=lists(floats(1e-5, 90.0), min_size=2 * EVERY, max_size=2 * EVERY), share=sampled_from([0.5, 0.95, 0.99]))
def test_the_quantile_is_at_most_five_percent_too_long_and_never_too_short(seconds, share):
    exact = sorted(seconds)[min(len(seconds) - 1, ceil(share * len(seconds)) - 1)]
    next_one = sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))]

    estimate = learned(share, seconds).quantile_s

    assert exact * (1 - 1e-9) <= estimate <= max(next_one, SHORTEST_S) * GROWTH * (1 + 1e-9)


def test_it_is_not_known_before_there_are_enough():
    assert learned(0.95, [0.01] * (KNOWN - 1)).quantile_s == inf
    assert learned(0.95, [0.01] * KNOWN).quantile_s == pytest.approx(0.01, rel=0.05)


def test_what_is_older_than_two_windows_is_forgotten():
    latencies = learned(0.95, [1.0] * WINDOW * 3)

    for _ in range(WINDOW * 2 + EVERY):
        latencies.add(0.001)

    assert latencies.quantile_s == pytest.approx(0.001, rel=0.05)


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 100.0, 1e9])
def test_what_is_out_of_its_range_counts_at_its_edge(seconds):
    latencies = learned(0.5, [seconds] * KNOWN)

    assert SHORTEST_S <= latencies.quantile_s <= 110
    assert len(latencies._counts) == BUCKETS


def test_a_change_of_the_quantile_keeps_what_is_known():
    seconds = [0.001] * 180 + [0.1] * 20
    before = learned(0.5, seconds)

    after = Latencies(0.95, before)
    before.add(5.0)

    assert after.quantile_s == pytest.approx(0.1, rel=0.05)
    assert sum(after._counts) == 200
