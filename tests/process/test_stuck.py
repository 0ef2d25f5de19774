"""Which workers count as stuck: those that one call of a custom policy holds up, and no others."""

import os

import pytest

from nodeproxy.process.stuck import StuckWorkers, Use, use_of_process
from nodeproxy.telemetry.whereabouts import NOWHERE, Whereabouts

LIMIT_S = 4.0


class Node:
    """One worker; the test says what it has had."""

    def __init__(self):
        self.now = 100.0
        self.use = Use(0.0, False)
        self.where = Whereabouts(2)
        self.cell = self.where.cell(1)
        self.stuck = StuckWorkers(self.where, ("first", "second"), LIMIT_S, lambda: self.now, lambda _pid: self.use)
        self.pid = 77

    def look(self, seconds, cpu_s=0.0, asleep=False):
        """Look again `seconds` later, when the worker has used `cpu_s` more."""
        self.now += seconds
        self.use = Use(self.use.cpu_s + cpu_s, asleep)
        return self.stuck.look({1: self.pid})


@pytest.fixture
def node():
    return Node()


def test_a_worker_that_uses_cpu_in_one_call_for_the_limit_is_stuck(node):
    node.cell.enter(2)
    node.look(0.0)

    looks = [node.look(1.0, cpu_s=0.9) for _ in range(5)]

    assert looks[:4] == [[]] * 4
    ((worker, pid, policy, held_s),) = looks[4]
    assert (worker, pid, policy, round(held_s, 1)) == (1, 77, "second", 4.5)


def test_a_worker_that_sleeps_in_one_call_for_the_limit_is_stuck(node):
    node.cell.enter(1)
    node.look(0.0, asleep=True)

    looks = [node.look(1.0, asleep=True) for _ in range(4)]

    assert [bool(found) for found in looks] == [False, False, False, True]


def test_a_worker_that_gets_no_core_is_not_stuck(node):
    node.cell.enter(1)
    node.look(0.0)

    assert [node.look(10.0, cpu_s=0.001) for _ in range(100)] == [[]] * 100


def test_a_late_look_counts_no_more_sleep_than_one_in_time(node):
    node.cell.enter(1)
    node.look(0.0, asleep=True)

    assert node.look(3600.0, asleep=True) == []


def test_a_worker_that_is_busy_with_many_calls_is_not_stuck(node):
    for _ in range(50):
        node.cell.enter(1)
        assert node.look(1.0, cpu_s=1.0) == []


def test_a_worker_that_is_in_no_policy_is_not_stuck(node):
    node.cell.enter(1)
    node.look(0.0)
    node.cell.enter(NOWHERE)

    assert [node.look(1.0, cpu_s=1.0) for _ in range(10)] == [[]] * 10


def test_the_successor_of_a_worker_starts_with_no_time(node):
    node.cell.enter(1)
    node.look(0.0)
    node.look(1.0, cpu_s=3.9)
    node.pid = 78

    assert node.look(1.0, cpu_s=3.9) == []


def test_the_use_of_a_process_is_read():
    use = use_of_process(os.getpid())

    assert use is not None and use.cpu_s > 0 and not use.asleep
    assert use_of_process(2**22 + 1) is None
