"""Rates between two looks at counters."""

from nodeproxy.mesh.rates import Totals, quantile, rate_between
from nodeproxy.mesh.reports import LATENCY_BOUNDS_S


def durations(**by_index):
    return tuple(by_index.get(f"b{index}", 0) for index in range(len(LATENCY_BOUNDS_S) + 1))


def test_what_has_happened_is_per_second():
    before = Totals(10, 1, 0, durations(b0=10))

    rate = rate_between(before, Totals(30, 5, 2, durations(b0=10, b1=20)), 2.0)

    assert (rate.requests_per_s, rate.errors_per_s, rate.retries_per_s) == (10.0, 2.0, 1.0)
    assert rate.p50_s == 0.00075  # in the middle of the second bucket


def test_counters_that_went_back_began_again():
    rate = rate_between(Totals(100, 50, 9, durations(b0=100)), Totals(4, 1, 0, durations(b0=4)), 2.0)

    assert rate.requests_per_s == 2.0
    assert rate.errors_per_s == 0.5


def test_without_requests_there_is_no_latency():
    assert rate_between(Totals(), Totals(), 1.0).p99_s is None


def test_what_exceeds_all_bounds_is_the_highest():
    assert quantile(durations(**{f"b{len(LATENCY_BOUNDS_S)}": 3}), 0.5) == LATENCY_BOUNDS_S[-1]
