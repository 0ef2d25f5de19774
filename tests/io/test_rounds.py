"""Rounds: every one that has datagrams waiting has its event before another has a second one."""

from nodeproxy.io.reactor import Reactor
from nodeproxy.io.rounds import PER_EVENT, PER_TURN, Rounds


class Busy:
    """Always has more datagrams than it is allowed."""

    def __init__(self):
        self.round, self.burst = 0, PER_EVENT
        self.handled = 0

    def ready(self, rounds):
        allowed = rounds.allowance(self)
        if allowed:
            self.handled += allowed
            rounds.spend(self, allowed, allowed)


def turns(rounds, watchers, number):
    for _ in range(number):
        for each in watchers:  # level-triggered: in the same order each time
            each.ready(rounds)
        rounds.flush()


def test_busy_ones_have_equal_shares_whatever_their_order():
    reactor = Reactor()
    watchers = [Busy() for _ in range(7)]

    turns(Rounds(reactor), watchers, 70)

    handled = [each.handled for each in watchers]
    assert max(handled) - min(handled) <= PER_EVENT and sum(handled) >= 70 * PER_TURN // 2
    reactor.close()


def test_a_turn_is_bounded():
    reactor = Reactor()
    rounds, watchers = Rounds(reactor), [Busy() for _ in range(100)]

    turns(rounds, watchers, 1)

    assert sum(each.handled for each in watchers) <= PER_TURN + PER_EVENT
    reactor.close()


def test_one_alone_has_every_turn():
    reactor = Reactor()
    one = Busy()

    turns(Rounds(reactor), [one], 10)

    assert one.handled == 10 * PER_EVENT
    reactor.close()


def test_a_watcher_is_allowed_as_many_as_it_had_and_more_while_it_has_more():
    reactor = Reactor()
    rounds, one = Rounds(reactor), Busy()
    one.burst = 1
    allowed = []

    for handled in (1, 2, 4, 5, 0, 1):
        allowed.append(rounds.allowance(one))
        rounds.spend(one, handled, allowed[-1])
        rounds.flush()

    assert allowed == [1, 2, 4, 8, 5, 1]
    reactor.close()
