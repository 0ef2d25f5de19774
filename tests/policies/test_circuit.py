"""The state machine of `circuitBreaker`, without requests: results and times in, decisions out."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, floats, integers, lists, sampled_from, tuples

from nodeproxy.policies.circuit import BUCKETS, CLOSED, HALF_OPEN, OPEN, REJECTED, Circuit, CircuitLimits, Window

STARTED = 1000.0


class Told:
    """A circuit and what it has decided."""

    def __init__(self, **limits):
        self.decided = []
        self.now = STARTED
        self.circuit = Circuit(CircuitLimits(**limits), self.decided.append, STARTED)

    def results(self, times, failed=False, slow=False):
        for _ in range(times):
            self.circuit.record(self.circuit.admit(self.now), self.now, failed, slow)

    def opened(self):
        self.results(20, failed=True)
        assert self.circuit.state == OPEN
        return self

    def half_open(self):
        self.opened()
        self.now += 30
        return self

    def probes(self, *failed):
        for each in failed:
            ticket = self.circuit.admit(self.now)
            assert ticket != REJECTED
            self.circuit.record(ticket, self.now, each, False)


def test_fewer_results_than_the_minimum_open_nothing():
    told = Told()

    told.results(19, failed=True)
    assert told.circuit.state == CLOSED
    told.results(1)  # the twentieth is a success, and 19 of 20 have failed

    assert (told.circuit.state, told.decided) == (OPEN, ["opened"])


@pytest.mark.parametrize(("bad", "state"), [(9, CLOSED), (10, OPEN)])
def test_the_ratio_of_failures_opens_it(bad, state):
    told = Told()

    told.results(20 - bad)
    told.results(bad, failed=True)

    assert told.circuit.state == state


def test_the_ratio_of_slow_ones_opens_it_too():
    told = Told(slow_ratio=0.8)

    told.results(19, slow=True)
    assert told.circuit.state == CLOSED
    told.results(1, slow=True)

    assert told.circuit.state == OPEN


def test_without_a_ratio_of_slow_ones_none_of_them_matter():
    told = Told()

    told.results(100, slow=True)

    assert told.circuit.state == CLOSED


def test_results_that_have_left_the_window_do_not_count():
    told = Told()
    told.results(15, failed=True)
    told.now += 10

    told.results(15, failed=True)

    assert told.circuit.state == CLOSED


@given(steps=lists(tuples(floats(0, 4), booleans(), booleans()), max_size=200), window_s=sampled_from([0.7, 1.0, 10.0]))
def test_a_window_counts_exactly_what_its_buckets_span(steps, window_s):
    window, seen, now = Window(window_s), deque(), STARTED

    for step, failed, slow in steps:
        now += step
        window.add(now, failed, slow)
        seen.append((int(now / (window_s / BUCKETS)), failed, slow))
        kept = [each for each in seen if each[0] > seen[-1][0] - BUCKETS]

        assert window.total == len(kept)
        assert window.failed == sum(each[1] for each in kept)
        assert window.slow == sum(each[2] for each in kept)


def test_an_open_circuit_admits_nothing_until_its_time_is_over():
    told = Told().opened()

    told.now += 29.9
    assert told.circuit.admit(told.now) == REJECTED
    assert told.circuit.wait_s(told.now) == pytest.approx(0.1)
    told.now += 0.1

    assert told.circuit.admit(told.now) != REJECTED
    assert told.circuit.state == HALF_OPEN


def test_probes_that_succeed_close_it():
    told = Told().half_open()

    told.probes(False, False, False)

    assert (told.circuit.state, told.decided) == (CLOSED, ["opened", "probed", "probed", "probed", "closed"])


def test_one_failure_of_three_is_below_half_and_two_are_not():
    one, two = Told().half_open(), Told().half_open()

    one.probes(True, False, False)
    two.probes(True, True)

    assert (one.circuit.state, two.circuit.state) == (CLOSED, OPEN)


def test_slow_probes_open_it_again():
    told = Told(slow_ratio=0.3).half_open()

    told.circuit.record(told.circuit.admit(told.now), told.now, False, True)

    assert told.circuit.state == OPEN


def test_what_was_admitted_before_it_opened_is_no_probe():
    told = Told()
    early = [told.circuit.admit(told.now) for _ in range(5)]
    told.half_open()
    told.circuit.admit(told.now)

    for ticket in early:
        told.circuit.record(ticket, told.now, True, False)

    assert told.circuit.state == HALF_OPEN
    assert told.decided.count("opened") == 1


def test_a_probe_without_a_result_makes_way_for_another():
    told = Told(half_open_requests=1).half_open()

    ticket = told.circuit.admit(told.now)
    assert told.circuit.admit(told.now) == REJECTED
    told.circuit.drop(ticket)

    told.probes(False)
    assert told.circuit.state == CLOSED


def test_probes_that_never_end_hold_it_no_longer_than_it_was_open():
    told = Told().half_open()
    lost = [told.circuit.admit(told.now) for _ in range(3)]
    assert told.circuit.admit(told.now) == REJECTED
    told.now += 30

    told.probes(False, False, False)
    for ticket in lost:
        told.circuit.record(ticket, told.now, True, False)

    assert told.circuit.state == CLOSED


def test_it_stays_open_twice_as_long_each_time_up_to_the_maximum():
    told, waits = Told(open_most_s=100.0).opened(), []

    for _ in range(4):
        waits.append(told.circuit.wait_s(told.now))
        told.now += waits[-1]
        told.probes(True, True)

    assert waits == [30, 60, 100, 100]
    assert told.circuit.openings == 5


def test_a_circuit_that_has_worked_for_as_long_as_it_was_open_begins_anew():
    told = Told().half_open()
    told.probes(False, False, False)
    told.now += 30

    told.opened()

    assert told.circuit.wait_s(told.now) == 30


def test_a_circuit_that_opens_soon_after_it_closed_stays_open_longer():
    told = Told().half_open()
    told.probes(False, False, False)
    told.now += 29

    told.opened()

    assert told.circuit.wait_s(told.now) == 60


def test_new_settings_leave_it_open_and_bound_its_time():
    told = Told().opened()

    next_one = Circuit(CircuitLimits(open_s=1, open_most_s=5), told.decided.append, told.now, told.circuit)

    assert (next_one.state, next_one.openings, next_one.wait_s(told.now)) == (OPEN, 1, 5)
    assert told.circuit.wait_s(told.now) == 30  # the update may yet be rejected


def test_new_settings_start_a_trial_over():
    told = Told().half_open()
    lost = told.circuit.admit(told.now)

    next_one = Circuit(CircuitLimits(half_open_requests=1), told.decided.append, told.now, told.circuit)
    next_one.record(lost, told.now, True, False)
    next_one.record(next_one.admit(told.now), told.now, False, False)

    assert next_one.state == CLOSED


@given(
    most=integers(1, 5),
    steps=lists(tuples(sampled_from(["admit", "succeed", "fail", "drop", "wait"]), floats(0, 20)), max_size=300),
)
def test_a_half_open_circuit_never_has_more_probes_under_way_than_it_may(most, steps):
    told, out = Told(half_open_requests=most, minimum_requests=1).half_open(), []

    for step, seconds in steps:
        if step == "wait":
            told.now += seconds
        elif step == "admit":
            ticket = told.circuit.admit(told.now)
            if ticket != REJECTED and told.circuit.state == HALF_OPEN:
                out.append(ticket)
        elif out and step == "drop":
            told.circuit.drop(out.pop())
        elif out:
            told.circuit.record(out.pop(), told.now, step == "fail", False)
        of_this_trial = [ticket for ticket in out if ticket == told.circuit._ticket]
        assert told.circuit.state != HALF_OPEN or len(of_this_trial) <= most


def test_what_was_admitted_before_it_opened_neither_opens_it_again_nor_is_a_probe():
    decided = []
    limits = CircuitLimits(minimum_requests=1, open_s=10.0, half_open_requests=1)
    circuit = Circuit(limits, decided.append, 1000.0)
    late = [circuit.admit(1000.0) for _ in range(4)]
    circuit.record(late[0], 1000.0, True, False)

    circuit.record(late[1], 1001.0, True, False)
    circuit.drop(late[2])
    assert (decided, circuit.openings, circuit.wait_s(1001.0)) == (["opened"], 1, 9.0)

    probe = circuit.admit(1010.0)
    circuit.drop(late[3])
    circuit.drop(REJECTED)
    assert probe != REJECTED and circuit.admit(1010.0) == REJECTED


def test_a_trial_has_no_more_probes_than_it_asks_for_however_many_have_ended():
    told = Told().half_open()
    told.probes(False, False)

    assert told.circuit.admit(told.now) != REJECTED
    assert told.circuit.admit(told.now) == REJECTED
