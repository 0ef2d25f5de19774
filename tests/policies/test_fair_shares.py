"""Callers divide the slots of a service: who asks for less than its share has all it asks for."""

from collections import Counter

from hypothesis import given
from hypothesis.strategies import data, integers, lists, sampled_from, tuples

from nodeproxy.policies.fair_shares import Shares, Ticket

GREEDY, SMALL = ("jobs", "batch"), ("shop", "cart")


class Callers:
    """Requests that ask, wait and leave; remembers the slots of each caller."""

    def __init__(self, shares):
        self.shares = shares
        self.running, self.tickets, self.refused = Counter(), [], Counter()

    def ask(self, caller, times=1):
        for _ in range(times):
            if self.shares.take(caller):
                self.running[caller] += 1
                continue
            ticket = Ticket(caller, lambda: None)
            if self.shares.queue(ticket):
                self.tickets.append(ticket)
            else:
                self.refused[caller] += 1

    def leave(self, caller):
        self.running[caller] -= 1
        self.shares.leave(caller)
        self.woken()

    def woken(self):
        for ticket in [ticket for ticket in self.tickets if ticket.granted]:
            self.tickets.remove(ticket)
            self.running[ticket.caller] += 1

    def waiting(self, caller):
        return sum(ticket.caller == caller for ticket in self.tickets)


def test_a_caller_alone_has_at_most_its_part_and_the_rest_is_free_for_another_at_once():
    callers = Callers(Shares(10, 8, 10))

    callers.ask(GREEDY, 15)
    callers.ask(SMALL, 2)

    assert callers.running == {GREEDY: 8, SMALL: 2}


def test_a_caller_beyond_its_share_leaves_the_reserve_free_however_much_others_have():
    callers = Callers(Shares(20, 16, 20))
    callers.ask(SMALL, 4)

    callers.ask(GREEDY, 20)
    callers.ask(SMALL, 1)

    assert callers.running == {SMALL: 5, GREEDY: 12} and callers.waiting(GREEDY) == 8


def test_callers_that_all_want_more_than_their_share_use_all_slots():
    callers = Callers(Shares(20, 16, 20))

    for _ in range(20):
        callers.ask(GREEDY)
        callers.ask(SMALL)

    assert callers.running == {GREEDY: 10, SMALL: 10}


def test_a_free_slot_goes_to_the_caller_that_has_the_fewest():
    callers = Callers(Shares(4, 4, 10))
    callers.ask(GREEDY, 10)
    callers.ask(SMALL, 3)

    for _ in range(2):
        callers.leave(GREEDY)

    assert callers.running == {GREEDY: 2, SMALL: 2}


def test_callers_with_equally_many_have_their_turns():
    callers = Callers(Shares(1, 1, 10))
    order = [("a", "x"), ("b", "x"), ("c", "x")]
    for caller in order:
        callers.ask(caller, 3)
    seen = []

    for _ in range(9):
        (caller,) = +callers.running
        seen.append(caller)
        callers.leave(caller)

    assert [caller for caller, _ in seen[:4]] == ["a", "a", "b", "c"] and Counter(seen) == dict.fromkeys(order, 3)


def test_a_request_that_is_given_up_takes_no_slot_and_returns_one_that_it_was_just_granted():
    callers = Callers(Shares(1, 1, 10))
    callers.ask(GREEDY, 3)
    first, second = callers.tickets

    callers.shares.withdraw(second)
    callers.shares.leave(GREEDY)
    assert first.granted
    callers.shares.withdraw(first)

    assert callers.shares.used == 0 and callers.shares.queued == 0


def test_new_numbers_keep_what_is_under_way_and_let_in_those_that_wait():
    before = Shares(1, 1, 10)
    callers = Callers(before)
    callers.ask(GREEDY, 3)

    callers.shares = Shares(3, 3, 10, before)
    callers.ask(SMALL)
    callers.woken()
    admitted = dict(callers.running)
    before.leave(GREEDY)  # by the handler that took it

    assert admitted == {GREEDY: 3}
    assert [ticket.granted for ticket in callers.tickets] == [True] and callers.shares.used == 3


def test_numbers_that_are_never_in_force_change_nothing():
    before = Shares(1, 1, 10)
    callers = Callers(before)
    callers.ask(GREEDY, 2)

    Shares(5, 5, 10, before)
    callers.ask(GREEDY)

    assert callers.running == {GREEDY: 1} and callers.waiting(GREEDY) == 2


NAMES = [("n", str(number)) for number in range(4)]


@given(data(), integers(1, 12), integers(1, 100), lists(tuples(sampled_from(NAMES), integers(0, 6)), max_size=80))
def test_whatever_happens_slots_are_used_and_none_below_its_share_is_refused(data, slots, percent, steps):
    most = max(1, slots * percent // 100)
    callers = Callers(Shares(slots, most, slots))

    for caller, times in steps:
        if times:
            before = callers.running[caller] + callers.waiting(caller)
            callers.ask(caller, times)
            if before + times <= slots:
                assert not callers.refused[caller]
        elif callers.running[caller]:
            callers.leave(caller)
        callers.refused.clear()
        in_use = sum(callers.running.values())
        assert in_use == callers.shares.used <= slots
        assert all(number <= most for number in callers.running.values())
        for each in NAMES:
            if callers.waiting(each) and callers.running[each] < most:
                below = callers.running[each] * len(+callers.running) < slots
                assert in_use == slots or (in_use >= most and not below)
