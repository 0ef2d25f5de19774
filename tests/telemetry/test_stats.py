"""Plain counters."""

import pytest
from hypothesis import given
from hypothesis.strategies import floats, lists

from nodeproxy.telemetry.stats import LATENCY_BOUNDS_S, RouteStats


@pytest.mark.parametrize(("elapsed_s", "bucket"), [(0, 0), (0.0005, 0), (0.0006, 1), (1.0, 10), (10, 13), (11, 14)])
def test_an_exchange_is_counted_in_the_bucket_that_holds_it(elapsed_s, bucket):
    stats = RouteStats()

    stats.count(200, "", ("", "unknown"), elapsed_s)

    assert stats.buckets.index(1) == bucket


@given(durations=lists(floats(0, 1e4)))
def test_every_exchange_is_in_one_bucket_and_one_request_count(durations):
    stats = RouteStats()
    for elapsed_s in durations:
        stats.count(200, "", ("", "unknown"), elapsed_s)

    assert sum(stats.buckets) == sum(stats.requests.values()) == len(durations)
    assert stats.seconds == pytest.approx(sum(durations))


def test_bounds_ascend():
    assert list(LATENCY_BOUNDS_S) == sorted(set(LATENCY_BOUNDS_S))
