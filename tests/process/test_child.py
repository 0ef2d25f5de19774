"""How fast a process that dies is started again."""

import pytest

from nodeproxy.process.child import BACKOFF_MAX_S, BACKOFF_S, STEADY_S, Child
from tests.fakes.world import Clock

KILLED = 9  # a wait status: ended by that signal


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def started(clock):
    """A child that runs, and how often it had to be put to sleep."""
    pauses = []
    child = Child("worker", start=lambda: 42, pause=lambda: pauses.append(clock.now), clock=clock)
    child.run()
    return child, pauses


def test_the_first_death_costs_no_time(started, clock):
    child, pauses = started

    child.ended(KILLED)

    assert child.pid == 0 and child.restart_at == clock.now and pauses == []


def test_each_further_young_death_doubles_the_wait_up_to_a_limit(started, clock):
    child, pauses = started
    waits = []
    for _ in range(10):
        child.ended(KILLED)
        waits.append(child.restart_at - clock.now)
        clock.now = child.restart_at
        child.run()

    assert waits[:4] == pytest.approx([0, 2 * BACKOFF_S, 4 * BACKOFF_S, 8 * BACKOFF_S])
    assert waits[-1] == BACKOFF_MAX_S
    assert len(pauses) == 9


def test_one_that_has_lived_long_is_back_at_once(started, clock):
    child, _ = started
    for _ in range(5):
        child.ended(KILLED)
        child.run()
    clock.now += STEADY_S

    child.ended(KILLED)

    assert child.restart_at == clock.now


def test_one_that_cannot_be_started_is_tried_again(clock):
    pids = [0, 0, 42]
    child = Child("worker", start=lambda: pids.pop(0), clock=clock)

    while not child.pid:
        child.run()

    assert pids == [] and child.restart_at > clock.now
