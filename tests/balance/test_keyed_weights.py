"""Weighted choice by a key."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeproxy.balance.keyed_weights import KeyedWeights

KEYS = [str(number).encode() for number in range(20_000)]


@given(st.binary(max_size=40), st.lists(st.integers(0, 1_000_000), min_size=1, max_size=32).filter(any))
def test_a_key_has_one_target_and_none_with_weight_0(key, weights):
    names = [str(number) for number in range(len(weights))]

    index = KeyedWeights(names, weights).of(key)

    assert weights[index] and KeyedWeights(names, weights).of(key) == index


@pytest.mark.parametrize("weights", [(1, 1), (9, 1), (5, 3, 2), (1, 0, 3)])
def test_targets_have_keys_in_proportion_to_their_weights(weights):
    chosen = KeyedWeights([f"shop/web-v{number}:80" for number in range(len(weights))], weights)

    counts = Counter(chosen.of(key) for key in KEYS)

    for index, weight in enumerate(weights):
        assert counts[index] / len(KEYS) == pytest.approx(weight / sum(weights), abs=0.015)


def test_when_a_weight_grows_keys_move_only_to_its_target():
    before = KeyedWeights(["old", "new"], [9, 1])
    after = KeyedWeights(["old", "new"], [8, 2])

    moves = {(before.of(key), after.of(key)) for key in KEYS if before.of(key) != after.of(key)}

    assert moves == {(0, 1)}


def test_the_order_of_targets_means_nothing():
    one, other = KeyedWeights(["a", "b", "c"], [3, 2, 1]), KeyedWeights(["c", "a", "b"], [1, 3, 2])

    assert all("abc"[one.of(key)] == "cab"[other.of(key)] for key in KEYS[:2000])
