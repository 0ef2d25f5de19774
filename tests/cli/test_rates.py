"""`top`: what is said of an interval between two pages of counters."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists
from rich.console import Console

from nodeproxy.cli.rates import Rates, as_json, rates_table, shown_s
from nodeproxy.mesh.node_view import PortView
from nodeproxy.mesh.rates import quantile
from nodeproxy.mesh.reports import LATENCY_BOUNDS_S

WITHIN = 1 + len(LATENCY_BOUNDS_S)


def durations(**buckets):
    return tuple(buckets.get(f"b{number}", 0) for number in range(WITHIN))


def port(service="web", requests=0, errors=0, retries=0, **buckets):
    buckets = buckets or {"b0": requests}
    return PortView("shop", service, "80", 3, 2, 1, requests, errors, retries, 0, durations(**buckets))


def page(*ports):
    return msgspec.json.encode(ports)


def test_rates_are_those_since_the_page_before():
    rates = Rates()

    first = rates.after(page(port(requests=100, errors=50)), 10.0)
    second = rates.after(page(port(requests=300, errors=100, retries=20)), 12.0)

    (web,) = second.services
    assert first is None and second.seconds == 2.0
    assert (web.requests_per_s, web.error_ratio, web.retries_per_s) == (100.0, 0.25, 10.0)
    assert (web.active, web.endpoints, web.usable) == (1, 3, 2)


def test_each_interval_begins_with_the_page_before():
    rates = Rates()

    seen = [rates.after(page(port(requests=100 * second * second)), float(second)) for second in range(4)]

    assert [(each.seconds, each.services[0].requests_per_s) for each in seen[1:]] == [(1, 100), (1, 300), (1, 500)]


def test_services_with_most_requests_are_first_and_idle_ones_by_name():
    rates = Rates()
    rates.after(page(port("c"), port("b"), port("a")), 0.0)

    seen = rates.after(page(port("c"), port("b", requests=9), port("a")), 1.0)

    assert [each.service for each in seen.services] == ["b", "a", "c"]


def test_only_the_service_that_is_named_is_shown():
    rates, of_none = Rates("shop/web"), Rates("no name at all")
    both = page(port("web"), port("api"))
    of_none.after(both, 0.0)
    rates.after(both, 0.0)

    seen, nothing = rates.after(both, 1.0), of_none.after(both, 1.0)

    assert [each.service for each in seen.services] == ["web"] and nothing.services == ()


@pytest.mark.parametrize("before", [(), (port(requests=500),)])
def test_a_service_that_is_new_or_whose_counters_began_again_counts_from_zero(before):
    rates = Rates()
    rates.after(page(*before), 0.0)

    seen = rates.after(page(port(requests=40, errors=10)), 1.0)

    assert (seen.services[0].requests_per_s, seen.services[0].error_ratio) == (40.0, 0.25)


@pytest.mark.parametrize(
    ("buckets", "q", "expected"),
    [
        ({}, 0.5, None),
        ({"b0": 100}, 0.5, 0.00025),
        ({"b0": 50, "b3": 50}, 0.5, 0.0005),
        ({"b0": 98, "b5": 2}, 0.99, 0.0175),
        ({f"b{WITHIN - 1}": 5}, 0.99, LATENCY_BOUNDS_S[-1]),
    ],
)
def test_a_quantile_is_between_the_bounds_of_its_bucket(buckets, q, expected):
    assert quantile(durations(**buckets), q) == expected


@given(lists(integers(0, 1000), min_size=WITHIN, max_size=WITHIN))
def test_a_higher_quantile_is_never_lower(counts):
    low, high = quantile(counts, 0.5), quantile(counts, 0.99)

    assert (low is None and high is None) == (sum(counts) == 0)
    assert low is None or 0 < low <= high <= LATENCY_BOUNDS_S[-1]


def test_an_interval_is_a_table_for_people_and_a_line_for_programs(capsys):
    rates = Rates()
    rates.after(page(port()), 0.0)
    seen = rates.after(page(port(requests=1000, errors=10)), 1.0)

    Console(width=120).print(rates_table(seen))
    line = as_json(seen)

    shown = " ".join(capsys.readouterr().out.split())
    assert "web.shop 80 1000.0 1.0% 0.2 ms 0.5 ms 0.0 1 2 of 3" in shown and "1000 requests/s" in shown
    assert "\n" not in line and json.loads(line)["services"][0]["p50_s"] == 0.00025


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0013, "1.3 ms"), (1.0, "1.00 s"), (2.5, "2.50 s"), (10.0, "> 10 s")]
)
def test_a_duration_is_shown_in_its_unit(value, text):
    assert shown_s(value) == text
