"""Shares of requests: exact at every moment."""

import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers

from nodeproxy.balance.share import Share


@given(percentage=floats(0.0001, 100), number=integers(0, 3000))
def test_those_due_never_differ_from_their_share_by_more_than_a_half(percentage, number):
    share, due, exact = Share(percentage), 0, round(percentage * 10_000) / 1_000_000

    for asked in range(1, number + 1):
        due += share.due()
        assert abs(due - asked * exact) <= 0.5 + 1e-6


@pytest.mark.parametrize(("percentage", "due"), [(0, 0), (100, 1000), (0.1, 1), (12.5, 125), (0.00001, 0)])
def test_of_a_thousand_requests_as_many_are_due_as_their_share_says(percentage, due):
    share = Share(percentage)

    assert sum(share.due() for _ in range(1000)) == due


def test_a_share_that_is_not_zero_is_due_some_time():
    share = Share(0.00001)

    assert sum(share.due() for _ in range(1_000_000)) == 1
