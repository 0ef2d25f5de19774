"""The delays before hedges: exact, in order, and with one timer however many requests there are."""

from math import inf

from nodeproxy.io.reactor import Reactor
from nodeproxy.policies.hedge_delays import Delays
from tests.fakes.world import Clock


class Hedges:
    """A race that notes when it hedges; it may `most` times."""

    def __init__(self, clock, most=1):
        self.clock, self.most, self.at = clock, most, []

    def hedge(self):
        self.at.append(self.clock.now)
        return len(self.at) < self.most


def passing(reactor, clock, seconds, steps=100):
    for _ in range(steps):
        clock.now += seconds / steps
        reactor.turn()


def world():
    clock = Clock()
    return clock, Reactor(clock), Delays()


def test_a_hedge_begins_when_its_delay_has_passed_and_then_after_each_further_one():
    clock, reactor, delays = world()
    began, race = clock.now, Hedges(clock, most=3)

    delays.put(race, 0.095, reactor)
    passing(reactor, clock, 1.0)

    assert [round(at - began, 2) for at in race.at] == [0.1, 0.2, 0.3]
    assert not reactor._timers and not delays._waiting
    reactor.close()


def test_a_race_that_is_over_hedges_no_more():
    clock, reactor, delays = world()
    over, other = Hedges(clock), Hedges(clock)

    delays.put(over, 0.1, reactor)
    delays.put(other, 0.1, reactor)
    delays.drop(over)
    passing(reactor, clock, 1.0)

    assert (len(over.at), len(other.at)) == (0, 1)
    reactor.close()


def test_there_is_one_timer_for_all():
    clock, reactor, delays = world()
    most = 0

    for _ in range(300):
        delays.put(Hedges(clock, most=3), 0.1, reactor)
        passing(reactor, clock, 0.004, steps=1)
        most = max(most, len(reactor._timers))

    assert most == 1
    reactor.close()


def test_an_unknown_delay_never_passes():
    clock, reactor, delays = world()

    delays.put(Hedges(clock), inf, reactor)

    assert not reactor._timers and not delays._waiting
    reactor.close()
