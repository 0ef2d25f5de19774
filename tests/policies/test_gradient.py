"""The controller of `adaptiveConcurrency` before a simulated server of fixed capacity (M/G/k), in simulated time."""

from math import log

import pytest
from hypothesis import given, settings
from hypothesis.strategies import floats, integers, lists, sampled_from, tuples

from nodeproxy.policies.gradient import REJECTED, UNMEASURED, Gradient, GradientLimits
from tests.fakes.overload import Server, Simulation

SERVICE_S = 0.02
PATIENCE_S = 1.0  # of a client: 50 times as long as the service takes
SLOTS = 10
CAPACITY = SLOTS / SERVICE_S


untraced = pytest.mark.no_cover  # thousands of rounds of the same lines, which tracing makes twice as long


def exponential(mean_s):
    return lambda random: random.expovariate(1 / mean_s)


SERVICES = {
    "exponential": exponential(SERVICE_S),
    "always the same": lambda _random: SERVICE_S,
    "uniform": lambda random: random.uniform(0, 2 * SERVICE_S),
    "heavy-tailed": lambda random: random.lognormvariate(log(SERVICE_S) - 1.5**2 / 2, 1.5),
    "a hundred times as long for every second one": lambda random: SERVICE_S * random.choice((0.02, 1.98)),
}


def overloaded(service="exponential", workers=1, seed=1, times=3.0, **limits):
    """A server with so many times as many requests as it can answer."""
    gradients = [Gradient(GradientLimits(**limits), 0.0) for _ in range(workers)]
    return Simulation(Server(SLOTS, SERVICES[service]), times * CAPACITY, PATIENCE_S, gradients, seed), gradients


@untraced
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("service", SERVICES)
def test_nine_tenths_of_the_capacity_are_good_answers_under_three_times_as_much(service, seed):
    simulation, _ = overloaded(service, seed=seed)
    simulation.run(3)

    assert simulation.run(25) >= 0.9 * CAPACITY
    assert simulation.longest_queue < 6 * SLOTS


@untraced
@pytest.mark.parametrize("service", SERVICES)
def test_without_it_nearly_all_answers_come_when_their_clients_have_gone(service):
    simulation, _ = overloaded(service, workers=0)
    simulation.run(3)

    assert simulation.run(25) <= 0.05 * CAPACITY


def test_a_service_that_can_answer_everything_is_asked_everything():
    simulation, _ = overloaded(times=0.7)
    simulation.run(3)
    simulation.rejected = 0

    assert simulation.run(60) >= 0.68 * CAPACITY
    assert simulation.rejected < 0.001 * 60 * 0.7 * CAPACITY  # at random, 25 come at once now and then
    assert simulation.late == 0


@pytest.mark.parametrize("slots", [5, 20, 40])
def test_a_change_of_capacity_is_found_within_a_second(slots):
    simulation, _ = overloaded()
    simulation.run(5)

    simulation.server.slots = slots
    simulation.per_s = 3 * slots / SERVICE_S
    simulation.run(1)

    assert simulation.run(4) >= 0.9 * slots / SERVICE_S


@untraced
@pytest.mark.parametrize("service_s", [0.005, 0.01, 0.04])
def test_a_service_that_has_become_faster_or_slower_is_measured_again(service_s):
    simulation, _ = overloaded()
    simulation.run(5)

    simulation.server.service_s = exponential(service_s)
    simulation.per_s = 3 * SLOTS / service_s
    simulation.run(30)

    assert simulation.run(20) >= 0.9 * SLOTS / service_s


def test_a_limit_that_was_far_too_high_comes_down():
    simulation, (gradient,) = overloaded(min_concurrency=200)
    simulation.run(10)  # so many wait that none is answered in time

    simulation.gradients = [Gradient(GradientLimits(), simulation.now, gradient)]
    simulation.run(30)

    assert gradient.limit >= 200
    assert simulation.run(10) >= 0.9 * CAPACITY


@untraced
@pytest.mark.parametrize("workers", [2, 4])
def test_several_workers_find_one_capacity_together(workers):
    simulation, gradients = overloaded(workers=workers)
    simulation.run(5)

    assert simulation.run(60) >= 0.9 * CAPACITY
    assert simulation.late == 0
    assert sum(gradient.limit for gradient in gradients) < 10 * SLOTS


def answered(gradient, now, latency_s, times=100):
    """So many requests one after the other, each as long; returns when the last one has ended."""
    for _ in range(times):
        ticket = gradient.admit(now)
        gradient.sample(ticket, now, now := now + latency_s)
    return now


def test_requests_one_after_the_other_show_the_latency_without_a_queue_and_move_no_limit():
    gradient = Gradient(GradientLimits(), 0.0)

    answered(gradient, 0.0, 0.05)

    assert gradient.baseline_s == pytest.approx(0.05)
    assert gradient.limit == 20


def test_all_proxies_measure_at_the_same_time_by_the_clock_they_share():
    one, other = Gradient(GradientLimits(), 103.0, None, 4.0), Gradient(GradientLimits(), 7.0, None, 100.0)

    for gradient, now in ((one, 105.9), (other, 9.9)):
        gradient.admit(now)
        assert gradient.limit == 20
        gradient.admit(now + 0.1)
        assert gradient.limit == 8


def test_a_request_that_never_ends_does_not_hold_a_measurement():
    gradient = Gradient(GradientLimits(), 0.0)
    for _ in range(100):
        gradient.admit(10.0)
    assert gradient.limit == 8

    gradient.admit(40.0)

    assert gradient.limit == 20


def test_requests_that_end_without_a_latency_leave_the_limit():
    gradient, now = Gradient(GradientLimits(), 0.0), 0.0

    for _ in range(1000):
        ticket = gradient.admit(now)
        now += 0.01
        gradient.drop(ticket, now, now)

    assert gradient.in_flight == 0
    assert gradient.baseline_s == 0


def test_new_settings_keep_what_was_learned_within_their_bounds():
    gradient = Gradient(GradientLimits(), 0.0)
    answered(gradient, 0.0, 0.05)

    after = Gradient(GradientLimits(max_concurrency=7), 5.0, gradient)

    assert (after.limit, after.baseline_s, after.in_flight) == (7, gradient.baseline_s, 0)


@settings(max_examples=60)
@given(
    bounds=tuples(integers(1, 30), integers(0, 100)),
    steps=lists(
        tuples(sampled_from(["admit", "admit", "sample", "drop", "end"]), floats(0, 2), integers(0, 1000)),
        min_size=50,
        max_size=500,
    ),
)
def test_the_limit_keeps_its_bounds_and_no_more_than_it_are_under_way(bounds, steps):
    least, most = bounds[0], sum(bounds)
    gradient = Gradient(GradientLimits(min_concurrency=least, max_concurrency=most), 0.0)
    under_way, now = [], 0.0

    for step, seconds, choice in steps:
        now += seconds**8 / 100  # mostly next to nothing
        if step == "admit":
            ticket = gradient.admit(now)
            assert (ticket == REJECTED) == (len(under_way) >= gradient.limit)
            if ticket != REJECTED:
                assert ticket >= UNMEASURED
                under_way.append((ticket, now))
        elif under_way:
            ticket, began = under_way.pop(choice % len(under_way))
            gradient.end(ticket, now) if step == "end" else getattr(gradient, step)(ticket, began, now)
        assert least <= gradient.limit <= most
        assert gradient.in_flight == len(under_way)


def test_a_first_burst_that_uses_the_limit_doubles_it():
    gradient = Gradient(GradientLimits(), 0.0)
    tickets = [gradient.admit(0.0) for _ in range(gradient.limit)]
    before = gradient.limit
    assert gradient.admit(0.0) == REJECTED
    for ticket in tickets:
        gradient.sample(ticket, 0.0, SERVICE_S)

    gradient.end(gradient.admit(0.1), 0.1)  # the window is over

    assert gradient.limit == 2 * before
