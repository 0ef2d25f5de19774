"""Weighted choice: each count is within one of its share at every moment."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeproxy.balance.weights import Weights


@pytest.mark.parametrize("weights", [(1,), (5, 1, 1), (90, 10), (0, 3), (2, 0, 2), (1,) * 32, (1_000, *(1,) * 31)])
def test_in_a_round_each_is_chosen_as_often_as_its_weight_says(weights):
    chosen = Weights(weights)

    for _ in range(3):
        counts = Counter(chosen.next() for _ in range(sum(weights)))
        assert [counts[index] for index in range(len(weights))] == list(weights)


def test_choices_are_spread_evenly():
    chosen = Weights((5, 1, 1))

    choices = [chosen.next() for _ in range(14)]

    rare = [place for place, index in enumerate(choices) if index]
    assert all(later - earlier >= 2 for earlier, later in pairwise(rare))


@given(st.lists(st.integers(0, 1_000_000), min_size=1, max_size=32).filter(any), st.integers(1, 400))
def test_at_every_moment_each_has_been_chosen_within_one_of_its_share(weights, choices):
    chosen, counts, total = Weights(weights), [0] * len(weights), sum(weights)

    for made in range(1, choices + 1):
        counts[chosen.next()] += 1
        for count, weight in zip(counts, weights, strict=True):
            assert abs(count * total - made * weight) < total
            assert weight or not count


def test_a_share_is_not_off_after_a_hundred_thousand_choices():
    weights = (999_999, 1, 500_000, 7, 7, 123_456)
    chosen, counts, total = Weights(weights), [0] * len(weights), sum(weights)

    for _ in range(100_000):
        counts[chosen.next()] += 1

    for count, weight in zip(counts, weights, strict=True):
        assert abs(count * total - 100_000 * weight) < total
