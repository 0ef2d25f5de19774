"""Weighted choice: exact in every run of as many choices as the weights have in sum."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeproxy.balance.weights import Weights


@pytest.mark.parametrize("weights", [(1,), (5, 1, 1), (90, 10), (0, 3), (2, 0, 2)])
def test_each_is_chosen_as_often_as_its_weight_says(weights):
    chosen = Weights(weights)

    for _ in range(3):
        counts = Counter(chosen.next() for _ in range(sum(weights)))
        assert [counts[index] for index in range(len(weights))] == list(weights)


def test_choices_are_spread_evenly():
    chosen = Weights((5, 1, 1))

    assert [chosen.next() for _ in range(7)] == [0, 0, 1, 0, 2, 0, 0]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any), st.integers(1, 200))
def test_no_share_is_ever_off_by_more_than_one_round(weights, choices):
    chosen = Weights(weights)

    counts = Counter(chosen.next() for _ in range(choices))

    for index, weight in enumerate(weights):
        assert abs(counts[index] - choices * weight / sum(weights)) <= len(weights)
        assert weight or not counts[index]
