"""Rates between two looks at counters."""

from nodeproxy.mesh.rates import Rate, Totals, quantile, rate_between, totals_of
from nodeproxy.mesh.reports import LATENCY_BOUNDS_S, PortCounters, RequestKind


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


def test_a_port_that_comes_and_goes_without_a_request_has_no_rate():
    unused = Totals(0, 0, 0, durations())

    assert rate_between(unused, Totals(), 1.0) == rate_between(Totals(), unused, 1.0) == Rate()


def test_the_totals_of_workers_are_added():
    ok, failed = RequestKind(200, "", "shop", "cart"), RequestKind(503, "timeout", "shop", "cart")
    one = PortCounters(((ok, 3), (failed, 1)), durations(b0=4), retries=2)

    assert totals_of([one, PortCounters(), one]) == Totals(8, 2, 4, durations(b0=8))
