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


def test_a_burst_grows_twofold_up_to_what_one_event_may_have():
    reactor = Reactor()
    rounds, one, bursts = Rounds(reactor), Busy(), []
    rounds.spend(one, 20, PER_EVENT)  # it had no more

    for _ in range(3):
        bursts.append(one.burst)
        rounds.spend(one, one.burst, one.burst)

    assert bursts == [20, PER_EVENT, PER_EVENT]
    reactor.close()


def test_a_turn_that_is_used_up_to_the_last_datagram_has_no_more():
    reactor = Reactor()
    rounds, watchers = Rounds(reactor), [Busy() for _ in range(PER_TURN // PER_EVENT + 1)]

    for each in watchers:
        each.ready(rounds)

    assert [each.handled for each in watchers] == [PER_EVENT] * (PER_TURN // PER_EVENT) + [0]
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
