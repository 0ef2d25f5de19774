import pytest

from loadtest.procstat import Cpu
from loadtest.run import sustainable_rate
from loadtest.scenarios import SCENARIOS
from loadtest.summary import GIB, cost, latency, median_cpu, peers_of, stolen_ratios
from tests.loadtest.bench_records import memory, paced, record, saturated

TWELVE_FIELDS, BODIES = SCENARIOS[1], SCENARIOS[3]


def test_the_cost_is_the_median_round_per_request():
    cpus = (Cpu(0.5, 0.1), Cpu(0.2, 0.1), Cpu(0.3, 0.1))
    seen = record(saturated=tuple(saturated(round=n, cpu=cpu, requests=1000) for n, cpu in enumerate(cpus)))

    answer = cost(seen, TWELVE_FIELDS, "envoy")

    assert answer is not None
    assert answer.worker == Cpu(pytest.approx(0.0003), pytest.approx(0.0001))
    assert (answer.lowest_s, answer.highest_s) == (pytest.approx(0.0003), pytest.approx(0.0006))
    assert answer.busy_ratio == pytest.approx(0.4)


def test_bodies_are_counted_per_gibibyte():
    seen = record(saturated=(saturated(scenario="bodies", received_bytes=2 * GIB, cpu=Cpu(0.2, 0.6)),))

    answer = cost(seen, BODIES, "envoy")

    assert answer is not None
    assert answer.worker == Cpu(pytest.approx(0.1), pytest.approx(0.3))
    assert answer.per_s == 2 * GIB


def test_what_was_not_measured_has_no_cost_and_no_latency():
    assert cost(record(), TWELVE_FIELDS, "envoy") is None
    assert latency(record(), TWELVE_FIELDS, "envoy") is None


def test_each_quantile_is_the_median_over_the_rounds():
    seen = record(paced=tuple(paced(round=n, p99_s=p99_s) for n, p99_s in enumerate((0.9, 0.1, 0.2))))

    answer = latency(seen, TWELVE_FIELDS, "envoy")

    assert answer is not None
    assert answer.p99_s == 0.2


def test_the_median_of_an_even_set_lies_between_the_two_in_the_middle():
    assert median_cpu([Cpu(1, 1), Cpu(9, 9), Cpu(3, 1), Cpu(0, 0)]) == Cpu(2, 1)


def test_the_rate_is_half_of_the_slowest_peers_median():
    rates = {"envoy": (900, 1000, 5000), "traefik": (3000, 3000, 10)}
    runs = tuple(saturated(peer, round=n, requests=each) for peer, all in rates.items() for n, each in enumerate(all))

    assert sustainable_rate("twelve-fields", runs) == 500


def test_peers_stand_in_the_order_of_the_run():
    seen = record(
        memory=(memory("nginx"),), saturated=(saturated("nginx"), saturated("envoy")), paced=(paced("no proxy"),)
    )

    assert peers_of(seen) == ("nginx", "envoy", "no proxy")


def test_what_was_stolen_is_told_for_the_run_in_the_middle_and_for_the_worst():
    seen = record(saturated=(saturated(), saturated(stolen_s=0.2)), paced=(paced(stolen_s=0.1),))

    assert stolen_ratios(seen) == (pytest.approx(0.1), pytest.approx(0.2))
